/** Delayed events with a real clock and a real disk: how precise, how fast. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createBroker } from "../../../src/broker/broker.ts";
import { temporaryDirectory } from "../../support/broker-process.ts";

const WAITING = 100_000;
const PROBES = 40;
const PRECISION_MS = 100;
const payload = Buffer.alloc(300, "x");

test(`${PROBES} events are appended within ${PRECISION_MS} ms of their time while ${WAITING} others wait`, async (t) => {
  await using directory = await temporaryDirectory();
  const config = { dataDir: directory.path, logLevel: "silent" } as const;
  const broker = await createBroker(config);
  await broker.buses.put("b", {}, {});
  const { delayed, log } = broker.buses.require("b");
  const hour = Date.now() + 3_600_000;
  const add = (dueTimes: readonly number[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const events = dueTimes.map((dueAt) => ({ payload, hops: 0, dueAt }));
      delayed.add(events, (failure) => (failure === undefined ? resolve() : reject(failure)));
    });
  const startedAt = performance.now();
  const groups = Array.from({ length: WAITING / 100 }, (_, group) =>
    add(Array.from({ length: 100 }, (_, index) => hour + group * 100 + index)),
  );
  await Promise.all(groups);
  const perSecond = Math.round(WAITING / ((performance.now() - startedAt) / 1000));
  const start = Date.now() + 300;
  const dueTimes = Array.from({ length: PROBES }, (_, index) => start + index * 50);
  const seenAt: number[] = [];
  const done = new Promise<void>((resolve) => {
    log.onAdvance((next) => {
      while (seenAt.length < next) seenAt.push(Date.now());
      if (next === PROBES) resolve();
    });
  });
  await add(dueTimes);
  await done;
  const lateMs = seenAt.map((at, index) => at - (dueTimes[index] ?? 0));
  t.diagnostic(`${perSecond} events/s stored; latest ${Math.max(...lateMs)} ms late`);
  assert.ok(Math.min(...lateMs) >= 0, "none early");
  assert.ok(Math.max(...lateMs) <= PRECISION_MS, `late by ${lateMs.join()} ms`);
  await broker.stop();

  const openedAt = performance.now();
  const reopened = await createBroker(config);
  t.diagnostic(`opened with ${WAITING} waiting in ${Math.round(performance.now() - openedAt)} ms`);
  assert.equal(reopened.buses.require("b").delayed.counts.waiting, WAITING);
  await reopened.stop();
});

test(`${WAITING} events due at one instant are appended once each, in their order`, async (t) => {
  await using directory = await temporaryDirectory();
  const broker = await createBroker({ dataDir: directory.path, logLevel: "silent" });
  await broker.buses.put("b", {}, {});
  const { delayed, log } = broker.buses.require("b");
  const dueAt = Date.now() + 20_000;
  const settled: Promise<void>[] = [];
  for (let from = 0; from < WAITING; from += 1000) {
    const events = Array.from({ length: 1000 }, (_, index) => ({
      payload: Buffer.from(String(from + index)),
      hops: 0,
      dueAt,
    }));
    settled.push(
      new Promise((resolve, reject) => {
        delayed.add(events, (failure) => (failure === undefined ? resolve() : reject(failure)));
      }),
    );
  }
  await Promise.all(settled);
  t.diagnostic(`stored ${dueAt - Date.now()} ms before they are due`);
  await new Promise<void>((resolve) => {
    log.onAdvance((next) => {
      if (next === WAITING) resolve();
    });
  });
  const tookMs = Date.now() - dueAt;
  t.diagnostic(`${WAITING} appended in ${tookMs} ms: ${Math.round((WAITING / tookMs) * 1000)}/s`);
  for (let from = 0; from < WAITING;) {
    const batch = await log.read(from, { records: 1000, bytes: 10_000_000 });
    for (let index = 0; index < batch.count; index++) {
      const text = batch.buffer.toString("latin1", batch.starts[index], batch.ends[index]);
      assert.equal(text, String(batch.offsets[index]));
    }
    from = batch.next;
  }
  await broker.stop();
});
