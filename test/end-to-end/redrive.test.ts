/** A command that follows long work has to outlive the pauses between its requests. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { SubscriptionStatus } from "../../src/api/api.ts";
import { root } from "../support/broker-process.ts";
import { startHttpBroker, structuredEvent } from "../support/http-broker.ts";

async function run(url: string, ...argv: readonly string[]): Promise<[number | null, string]> {
  const child = spawn(process.execPath, ["src/main.ts", ...argv, "--url", url], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(child, "close");
  return [child.exitCode, text];
}

test("the process of dead-letter redrive stays until the replay has ended, and says how", async () => {
  let answer = 422;
  await using consumer = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(answer).end());
  });
  await new Promise<void>((resolve) => consumer.listen(0, "127.0.0.1", resolve));
  await using broker = await startHttpBroker({
    buses: ["default"],
    config: { allowPrivateSinks: true },
  });
  const sink = `http://127.0.0.1:${(consumer.address() as AddressInfo).port}/`;
  const body = { bus: "default", protocol: "HTTP", sink };
  await broker.fetch("PUT", "/v1/subscriptions/s", { body });
  await broker.fetch("POST", "/v1/buses/default/events", {
    body: [structuredEvent({ id: "e0" }), structuredEvent({ id: "e1" })],
    headers: { "content-type": "application/cloudevents-batch+json" },
  });
  const dead = async (): Promise<number> =>
    (await broker.fetch("GET", "/v1/subscriptions/s/status")).json<SubscriptionStatus>().counters
      .dead;
  const giveUpAt = performance.now() + 10_000;
  while ((await dead()) < 2) assert(performance.now() < giveUpAt, "no dead letters");
  answer = 204;
  const redrive = ["dead-letter", "redrive", "s", "--all", "--rate", "2"];
  const [exitCode, text] = await run(broker.url, ...redrive);
  consumer.closeAllConnections();
  assert.equal(exitCode, 0, text);
  assert.match(text, /state +done\n[^]*delivered +2/);
});
