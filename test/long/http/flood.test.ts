/** F20: connections that only take up room, and requests that never end, beside healthy clients. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import { limits } from "../../../src/kernel/limits.ts";
import {
  eventually,
  sendJson,
  startBrokerProcess,
  temporaryDirectory,
} from "../../support/broker-process.ts";

const idleConnections = 2000;
const slowConnections = 300;
const healthyClients = 16;
const rounds = 7;
const roundMs = 3000;
const dripMs = 500;
const shareMin = 0.9;

const line = "POST /v1/buses/default/events HTTP/1.1\r\nHost: localhost\r\n";
const slowHead = `${line}ce-id: `;
const slowBody = `${line}ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\nContent-Length: 100000\r\n\r\n`;

/** A crowd of connections that send `opening` and then a byte now and then, or nothing at all. */
class Crowd implements Disposable {
  readonly #sockets: Socket[] = [];
  readonly #drip: NodeJS.Timeout;

  constructor() {
    this.#drip = setInterval(() => {
      for (const socket of this.#sockets) if (socket.bytesWritten > 0) socket.write("x");
    }, dripMs);
  }

  async add(port: number, count: number, opening: string): Promise<void> {
    for (let made = 0; made < count; made += 100) {
      const batch = Array.from({ length: Math.min(100, count - made) }, () =>
        connect(port, "127.0.0.1"),
      );
      // To be cut off is what they are there for.
      for (const socket of batch) socket.on("error", () => undefined).resume();
      await Promise.all(batch.map((socket) => once(socket, "connect")));
      for (const socket of batch) if (opening !== "") socket.write(opening);
      this.#sockets.push(...batch);
    }
  }

  get open(): number {
    return this.#sockets.filter(({ closed }) => !closed).length;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#drip);
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** How many publishes healthy clients get through in a round, each one after the other. */
async function publishFor(url: string, durationMs: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: healthyClients });
  const until = performance.now() + durationMs;
  let done = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < until) {
      assert.equal(await publish(url, agent), 202);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: healthyClients }, client));
  agent.destroy();
  return done;
}

function publish(url: string, agent: Agent): Promise<number | undefined> {
  const headers = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/s",
    "ce-type": "t",
    "content-length": 0,
  };
  return new Promise((resolve, reject) => {
    const options = { method: "POST", agent, headers };
    const call = request(`${url}/v1/buses/default/events`, options, (answer) => {
      answer.resume().on("end", () => resolve(answer.statusCode));
    });
    call.on("error", reject).end();
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

test("F20, P3, P7: two thousand idle connections and three hundred slow ones leave healthy clients nine tenths, and are cut off", async (t) => {
  await using directory = await temporaryDirectory();
  const broker = await startBrokerProcess({ dataDir: directory.path });
  await using ends = new AsyncDisposableStack();
  ends.defer(() => broker.kill());
  const port = Number(new URL(broker.url).port);
  await sendJson("PUT", `${broker.url}/v1/buses/default`, {});
  await publishFor(broker.url, roundMs);
  const rates = { alone: [] as number[], beside: [] as number[] };
  // In turn, because the machine has moods.
  for (let round = 0; round < rounds; round += 1) {
    rates.alone.push(await publishFor(broker.url, roundMs));
    using crowd = new Crowd();
    await crowd.add(port, idleConnections, "");
    await crowd.add(port, slowConnections / 2, slowHead);
    await crowd.add(port, slowConnections / 2, slowBody);
    rates.beside.push(await publishFor(broker.url, roundMs));
    if (round > 0) continue;
    const leftMs = limits.headersTimeoutMs + 3 * limits.bodySweepIntervalMs + 5000;
    await eventually(
      () => crowd.open === 0,
      () => `${crowd.open} are still open`,
      leftMs,
    );
  }
  t.diagnostic(JSON.stringify(rates));
  // Neighbours in time are compared: from one round to the next the machine may lose half its speed.
  const share = median(rates.beside.map((rate, round) => rate / (rates.alone[round] ?? rate)));
  assert(share >= shareMin, `healthy clients keep ${share.toFixed(2)} of their rate`);
  assert.equal(await broker.stop(), 0);
});
