import type { Command } from "../command.ts";
import { busArgument, busResult } from "./bus-view.ts";

export const busGet: Command = {
  noun: "bus",
  verb: "get",
  summary: "Show one bus.",
  arguments: [busArgument],
  examples: ["millrace bus get default"],
  run: async ({ client }, [name = ""]) => busResult(await client.bus(name)),
};
