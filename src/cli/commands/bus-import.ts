import { ClientError } from "../../client/client.ts";
import type { ImportAnswer } from "../../client/client.ts";
import type { Command } from "../command.ts";
import { busArgument } from "./bus-view.ts";

export const busImport: Command = {
  noun: "bus",
  verb: "import",
  summary: "Publish the events of a file of JSON lines, in order.",
  arguments: [
    busArgument,
    { argument: "[file]", summary: "what bus export has written; - or nothing is standard input" },
  ],
  examples: [
    "millrace bus import orders orders.ndjson",
    "gunzip -c orders.ndjson.gz | millrace bus import orders",
  ],
  async run(context, [bus = "", file = "-"]) {
    const onProgress = ({ lines }: ImportAnswer): void => context.notice(`${lines} lines so far`);
    try {
      const lines = context.readBytes(file);
      const answer = await context.client.importBus(bus, lines, { onProgress });
      return {
        data: answer,
        view: {
          as: "facts",
          facts: [
            ["imported", String(answer.imported)],
            ["duplicates", String(answer.duplicates)],
            ["first offset", String(answer.first ?? "-")],
            ["next offset", String(answer.next ?? "-")],
          ],
        },
      };
    } catch (thrown) {
      // The detail names the line and what was imported before it; the list of errors does not.
      if (thrown instanceof ClientError) throw new ClientError({ ...thrown.problem, errors: [] });
      throw thrown;
    }
  },
};
