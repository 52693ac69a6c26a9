import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

test("a command whose reader goes away ends quietly", async () => {
  const child = spawn(process.execPath, [main, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  // Closed before anything is written, as head closes its end after one line.
  child.stdout.destroy();
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  assert.equal(complaint, "");
  assert.equal(code, 0);
});
