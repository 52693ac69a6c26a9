import type { Command } from "../command.ts";
import { UsageError } from "../command.ts";
import { busArgument, busResult } from "./bus-view.ts";

export const busDelete: Command = {
  noun: "bus",
  verb: "delete",
  summary: "Delete a bus with all its events.",
  arguments: [busArgument],
  flags: [{ flag: "--cascade", summary: "delete its subscriptions and sources too" }],
  examples: ["millrace bus delete orders", "millrace bus delete orders --cascade"],
  async run({ client }, [name = ""], flags) {
    if (name === "") throw new UsageError("name the bus to delete; `millrace bus list` shows them");
    return busResult(
      await client.deleteBus(name, { cascade: flags["cascade"] === true }),
      "deleted",
    );
  },
};
