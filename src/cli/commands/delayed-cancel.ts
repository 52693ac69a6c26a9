import type { Command } from "../command.ts";
import { busArgument } from "./bus-view.ts";

export const delayedCancel: Command = {
  noun: "delayed",
  verb: "cancel",
  summary: "Cancel a delayed event: it is never put on the bus.",
  arguments: [busArgument, { argument: "<id>", summary: "its id, as delayed list shows it" }],
  examples: ["millrace delayed cancel default 019b77a6c40-019b77a2d3a000000-9f8e7d6c"],
  async run({ client }, [bus = "", id = ""]) {
    const cancelled = await client.cancelDelayed(bus, id);
    return {
      data: cancelled,
      view: {
        as: "facts",
        facts: [
          ["delayed event", "cancelled"],
          ["id", cancelled.id],
          ["was due", cancelled.due],
        ],
      },
    };
  },
};
