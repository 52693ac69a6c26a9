import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { startHttpBroker, structuredEvent } from "../support/http-broker.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import type { Ran } from "../support/run-cli.ts";
import { millrace } from "../support/run-cli.ts";

function cliFor(broker: HttpBroker): (...argv: string[]) => Promise<Ran> {
  return (...argv) => millrace(argv, broker.url);
}

test("dead letters are listed, shown, exported, redriven and purged, and attempts explained", async () => {
  let answer = 400;
  const consumer = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(answer).end());
  });
  await new Promise<void>((resolve) => consumer.listen(0, "127.0.0.1", resolve));
  await using broker = await startHttpBroker({
    buses: ["default"],
    config: { allowPrivateSinks: true },
  });
  const millrace = cliFor(broker);
  const { port } = consumer.address() as AddressInfo;
  await millrace("subscription", "create", "--name", "s", "--sink", `http://127.0.0.1:${port}/`);
  for (const [id, type] of [
    ["e0", "a"],
    ["e1", "b"],
  ]) {
    await broker.fetch("POST", "/v1/buses/default/events", {
      body: structuredEvent({ id, type }),
      headers: { "content-type": "application/cloudevents+json" },
    });
  }
  let listed = await millrace("dead-letter", "list", "s");
  const giveUpAt = performance.now() + 5000;
  while (!listed.text.includes("e1") && performance.now() < giveUpAt) {
    listed = await millrace("dead-letter", "list", "s");
  }
  assert.match(listed.text, /^ID +TIME +OFFSET +REASON +TYPE +EVENT ID +LAST ERROR/);
  const onlyB = await millrace("dead-letter", "list", "s", "--type", "b", "--output", "json");
  const [letter] = JSON.parse(onlyB.text) as { id: string; offset: number }[];
  assert.equal(letter?.offset, 1);

  const shown = await millrace("dead-letter", "get", "s", letter?.id ?? "");
  assert.equal((JSON.parse(shown.text) as { reason: string }).reason, "rejected");
  const exported = await millrace("dead-letter", "export", "s");
  assert.equal(exported.text.trim().split("\n").length, 2);
  assert.match((await millrace("subscription", "attempts", "s", "--status", "4xx")).text, /e1/);
  assert.match((await millrace("subscription", "explain", "s", "1")).text, /dead: rejected/);

  const unsaid = await millrace("dead-letter", "redrive", "s");
  assert.deepEqual([unsaid.status, /say which letters/.test(unsaid.text)], [2, true]);
  const again = await millrace("dead-letter", "redrive", "s", "--type", "b");
  assert.deepEqual([again.status, /dead again +1/.test(again.text)], [1, true], again.text);
  answer = 200;
  const redriven = await millrace("dead-letter", "redrive", "s", "--type", "b", "--rate", "50");
  assert.equal(redriven.status, 0, redriven.text);
  assert.match(redriven.text, /state +done\n[^]*redriven +1 of 1\n[^]*delivered +1/);
  const replays = await millrace("replay", "list", "s", "--output", "json");
  const [latest] = JSON.parse(replays.text) as { id: string }[];
  assert.match((await millrace("replay", "get", "s", latest?.id ?? "")).text, /done/);
  assert.match((await millrace("replay", "cancel", "s", latest?.id ?? "")).text, /done/);

  assert.equal((await millrace("dead-letter", "purge", "s")).status, 2);
  assert.match((await millrace("dead-letter", "purge", "s", "--all")).text, /1 dead letters/);
  consumer.closeAllConnections();
  await new Promise((resolve) => consumer.close(resolve));
});
