import { test } from "node:test";
import { checkCommands } from "../transform/commands-property.ts";

test("any command with any arguments is refused, fails, or makes a valid event, a million times", () => {
  checkCommands({ numRuns: 1_000_000 });
});
