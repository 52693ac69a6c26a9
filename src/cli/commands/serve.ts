import type { Command } from "../command.ts";
import { serveConfig, serveFlags } from "../serve-flags.ts";
import { serve } from "../serve.ts";

export const serveCommand: Command = {
  verb: "serve",
  startsBroker: true,
  summary: "Run the broker.",
  flags: serveFlags,
  examples: [
    "millrace serve --data-dir ./data",
    'millrace serve --host 0.0.0.0 --token "$(openssl rand -hex 32)"',
  ],
  async run(context, _args, flags) {
    await serve(serveConfig(flags), context.serve);
    return undefined;
  },
};
