import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { MillraceClient } from "../../client/client.ts";
import type { Command } from "../command.ts";
import { integerFlag, UsageError } from "../command.ts";
import type { DemoConsumer } from "../demo-consumer.ts";
import { startDemoConsumer } from "../demo-consumer.ts";
import { serveConfig, serveFlags } from "../serve-flags.ts";
import { serve } from "../serve.ts";

/** Not a secret: it is printed, and the demo source is for this machine only. */
const DEMO_SECRET = "It's a secret to everybody";
const PAYLOAD = new URL("../../../examples/github-star.json", import.meta.url);

export const devCommand: Command = {
  verb: "dev",
  startsBroker: true,
  summary: "Run a broker to try things with: bus default, a GitHub source and a demo consumer.",
  flags: [
    ...serveFlags,
    { flag: "--demo-port <port>", summary: "port of the demo consumer (default 8081, else any)" },
  ],
  examples: ["millrace dev", "millrace dev --port 9000"],
  async run(context, _args, flags) {
    const demoPort = integerFlag(flags, "demoPort");
    if (demoPort !== undefined && demoPort > 65_535)
      throw new UsageError(`--demo-port takes a port, not ${demoPort}`);
    const config = serveConfig(flags, { allowPrivateSinks: true });
    await serve(config, context.serve, async ({ url }) => {
      const client = new MillraceClient({ url, token: config.token });
      const consumer = await startDemoConsumer(demoPort, (text) => context.serve.announce(text));
      await prepare(client);
      context.serve.announce(await invitation({ url, token: config.token, consumer }));
      return () => consumer.close();
    });
    return undefined;
  },
};

async function prepare(client: MillraceClient): Promise<void> {
  await client.putBus("default", {});
  await client.putSource("github", {
    kind: "github",
    bus: "default",
    secret: DEMO_SECRET,
    description: "The demo's source; its secret is known to everybody.",
  });
}

interface Demo {
  readonly url: string;
  readonly token: string | undefined;
  readonly consumer: DemoConsumer;
}

/** The three commands of the quick start, ready to copy. */
async function invitation({ url, token, consumer }: Demo): Promise<string> {
  const payload = await readFile(PAYLOAD);
  const signature = createHmac("sha256", DEMO_SECRET).update(payload).digest("hex");
  const where = url === "http://127.0.0.1:8080" ? "" : ` --url ${url}`;
  const withToken = token === undefined ? "" : " --token TOKEN";
  return `
bus default, source github and a demo consumer at ${consumer.url} are ready.
Open a second terminal and copy these three commands.

1. Subscribe: new stars only, each turned into a sentence, pushed to the demo consumer.

  ./bin/millrace subscription create${where}${withToken} --name star-to-slack --bus default \\
    --sink ${consumer.url} \\
    --filters '[{"exact": {"type": "com.github.star.created"}}]' \\
    --transformer '{
      "define": {
        "star_count": "$.data.repository.stargazers_count",
        "repo": "$.data.repository.name",
        "sender": "$.data.sender.login"
      },
      "template": "{\\"slackMsg\\":  \\"GitHub user<\${sender}> just stared your repo<\${repo}>. Current number of stars: \${star_count}.\\"}"
    }'

2. Send what GitHub sends when somebody stars a repository, signed as GitHub signs it.

  curl -i ${url}/hooks/github \\
    -H 'content-type: application/json' -H 'x-github-event: star' \\
    -H 'x-github-delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958' \\
    -H 'x-hub-signature-256: sha256=${signature}' \\
    --data-binary @examples/github-star.json

3. See what became of it. The notification itself shows up in this terminal.

  ./bin/millrace subscription status${where}${withToken} star-to-slack
`;
}
