import type { Command } from "../command.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

export const replayList: Command = {
  noun: "replay",
  verb: "list",
  summary: "List the replays of a subscription, the latest first.",
  arguments: [subscriptionArgument],
  examples: ["millrace replay list star-to-slack"],
  async run({ client }, [key = ""]) {
    const { id } = await findSubscription(client, key);
    const replays = await client.replays(id);
    return {
      data: replays,
      view: {
        as: "table",
        columns: ["ID", "STATE", "CREATED", "REDRIVEN", "DELIVERED", "DEAD AGAIN"],
        rows: replays.map(({ id: replay, state, created, progress }) => [
          replay,
          state,
          created,
          `${progress.redriven} of ${progress.total}`,
          String(progress.delivered),
          String(progress.dead),
        ]),
      },
    };
  },
};
