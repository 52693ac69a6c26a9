/**
 * `node bench/ordering.ts`: what order by key and batches cost or bring. A backlog of 30 000 events of 10 000
 * keys in the memory engine is delivered over real HTTP to a consumer in the same process; the ways
 * take turns round by round, shown are the median of the rounds and their spread.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createBroker } from "../src/broker/broker.ts";
import { noExtensions } from "../src/event/event.ts";
import { encodeEvent } from "../src/event/stored-form.ts";
import { describeMachine } from "./harness.ts";

const ROUNDS = 5;
const EVENTS = 30_000;
const KEYS = 10_000;

const ways: Readonly<Record<string, object>> = {
  "one by one, no order": {},
  "one by one, 10 000 keys": { config: { ordering: { by: "subject" } } },
  "batches of 100, no order": { protocolsettings: { format: "batch", batch: { lingerMs: 5 } } },
  "batches of 100, 10 000 keys": {
    protocolsettings: { format: "batch", batch: { lingerMs: 5 } },
    config: { ordering: { by: "subject" } },
  },
};

const consumer = createServer((request, response) => {
  request.resume().on("end", () => response.writeHead(204).end());
});
await new Promise<void>((resolve) => consumer.listen(0, "127.0.0.1", () => resolve()));
const sink = `http://127.0.0.1:${(consumer.address() as AddressInfo).port}/`;

function payloadOf(index: number): Uint8Array {
  return encodeEvent({
    id: String(index),
    source: "/bench",
    type: "com.example.order.changed",
    subject: `customer-${index % KEYS}`,
    time: undefined,
    datacontenttype: "application/json",
    dataschema: undefined,
    extensions: noExtensions,
    data: Buffer.from(JSON.stringify({ order: index, note: "x".repeat(200) })),
    dataIsImpliedJson: false,
  });
}

async function deliveredPerSecond(members: { readonly config?: object }): Promise<number> {
  const broker = await createBroker({
    engine: "memory",
    logLevel: "silent",
    allowPrivateSinks: true,
  });
  await broker.buses.put("default", {}, {});
  const { log } = broker.buses.require("default");
  for (let made = 0; made < EVENTS; made += 500) {
    const records = Array.from({ length: 500 }, (_, index) => ({
      payload: payloadOf(made + index),
      hops: 0,
      facts: undefined,
    }));
    await new Promise<void>((resolve) => log.append(records, () => resolve()));
  }
  const began = performance.now();
  await broker.subscriptions.put(
    "s",
    {
      bus: "default",
      protocol: "HTTP",
      sink,
      ...members,
      config: { start: "earliest", ...members.config },
    },
    {},
  );
  while (broker.subscriptions.status("s").counters.delivered < EVENTS) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const seconds = (performance.now() - began) / 1000;
  await broker.stop();
  return EVENTS / seconds;
}

const results = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, members] of Object.entries(ways)) {
    results.get(name)?.push(await deliveredPerSecond(members));
  }
}
console.log(describeMachine());
for (const [name, rates] of results) {
  const sorted = rates.toSorted((left, right) => left - right);
  const shown = [sorted[0], sorted[ROUNDS >> 1], sorted.at(-1)].map((rate) =>
    Math.round(rate ?? 0),
  );
  console.log(`${name.padEnd(30)} ${shown[1]} events/s (${shown[0]} to ${shown[2]})`);
}
consumer.close();
