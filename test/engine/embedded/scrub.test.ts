import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { Scrub } from "../../../src/engine/embedded/scrub.ts";
import type { ScrubProgress } from "../../../src/engine/embedded/scrub.ts";
import type { SegmentedLog } from "../../../src/engine/embedded/log.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { append, listOf, open, settle } from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

const PASS_DELAY_MS = 60_000;

interface Bench {
  readonly clock: FakeClock;
  readonly logs: Map<string, SegmentedLog>;
  readonly disk: MemoryDisk;
  readonly scrub: Scrub;
  stored: ScrubProgress | undefined;
}

async function bench(context: TestContext, buses: readonly string[]): Promise<Bench> {
  const clock = new FakeClock();
  const disk = new MemoryDisk();
  const logs = new Map<string, SegmentedLog>();
  for (const bus of buses) {
    const log = await open(`/${bus}`, { disk, clock, segmentBytesMax: 300_000 });
    for (let number = 0; number < 10; number++) await append(log, `${number}`.repeat(100_000));
    logs.set(bus, log);
  }
  const state: { stored: ScrubProgress | undefined } = { stored: undefined };
  const scrub = new Scrub({
    clock,
    logger: silentLogger,
    logs: () => Promise.resolve(logs),
    store: {
      load: () => Promise.resolve(state.stored),
      save: (progress) => Promise.resolve(void (state.stored = progress)),
    },
    bytesPerSecond: 1_000_000,
    intervalMs: limits.scrubIntervalMs,
  });
  context.after(async () => {
    await scrub.stop();
    for (const log of logs.values()) await log.close();
  });
  return Object.assign(state, { clock, logs, disk, scrub });
}

async function pass(clock: FakeClock, durationMs: number): Promise<void> {
  for (let passed = 0; passed < durationMs; passed += 250) {
    clock.advance(250);
    await settle();
  }
}

test("a pass reads every log again, no faster than it may, and says when it has ended", async (context) => {
  const { clock, scrub } = await bench(context, ["one", "two"]);
  scrub.start();
  await pass(clock, PASS_DELAY_MS + 1000);
  const { bytes } = scrub.facts;
  assert(bytes > 500_000 && bytes < 1_700_000, `${bytes} bytes in the first second`);
  assert.equal(scrub.facts.finishedAt, undefined);
  await pass(clock, 3000);
  assert(scrub.facts.bytes > 2_000_000);
  assert.equal(scrub.facts.damages, 0);
  assert(scrub.facts.finishedAt !== undefined);
});

test("damage is counted, and found before anybody needs the event", async (context) => {
  const { clock, scrub, disk, logs } = await bench(context, ["one"]);
  const path = `/one/${disk.namesIn("/one")[1] ?? ""}`;
  const bytes = Buffer.from(disk.bytesOf(path));
  bytes.fill(0xff, 5000, 5010);
  disk.overwrite(path, bytes);
  scrub.start();
  await pass(clock, PASS_DELAY_MS + 4000);
  assert.equal(scrub.facts.damages, 1);
  assert.equal(logs.get("one")?.damages().length, 1);
});

test("the next pass begins an interval after the last one began", async (context) => {
  const facts = await bench(context, ["one"]);
  const { clock, scrub } = facts;
  scrub.start();
  await pass(clock, PASS_DELAY_MS + 4000);
  const { bytes } = scrub.facts;
  assert(bytes > 1_000_000);
  clock.advance(limits.scrubIntervalMs - PASS_DELAY_MS - 10_000);
  await settle();
  assert.equal(scrub.facts.bytes, bytes);
  await pass(clock, PASS_DELAY_MS + 10_000);
  assert.equal(scrub.facts.bytes, 2 * bytes);
});

test("a pass that a stop cut short goes on with the next bus", async (context) => {
  const facts = await bench(context, ["one", "two"]);
  const { clock, scrub } = facts;
  facts.stored = { startedAt: clock.now() - 5000, doneTo: "one", finishedAt: undefined };
  scrub.start();
  await pass(clock, PASS_DELAY_MS + 4000);
  assert(scrub.facts.bytes > 1_000_000 && scrub.facts.bytes < 1_200_000, "one bus was read");
  assert.equal(facts.stored.startedAt, Date.UTC(2026, 0, 1) - 5000);
});

test("stopping ends a pass at once and leaves no timer behind", async (context) => {
  const { clock, scrub, logs } = await bench(context, ["one"]);
  scrub.start();
  await pass(clock, PASS_DELAY_MS + 500);
  await scrub.stop();
  const { bytes } = scrub.facts;
  await pass(clock, 5000);
  assert.equal(scrub.facts.bytes, bytes);
  assert.deepEqual(await listOf(logs.get("one")?.verify() ?? assert.fail()), []);
});

test("verify can be aborted and paced", async (context) => {
  const { clock, logs } = await bench(context, ["one"]);
  const log = logs.get("one") ?? assert.fail();
  const stopping = new AbortController();
  let read = 0;
  const options = {
    bytesPerSecond: 100_000,
    signal: stopping.signal,
    onRead: (bytes: number) => void (read += bytes),
  };
  const verified = listOf(log.verify(options));
  await settle();
  assert(read > 0 && read < 400_000);
  stopping.abort(new Error("enough"));
  await assert.rejects(verified, { message: "enough" });
  assert(read < 400_000);
  assert(clock.timers <= 2, "nothing but the log's own timers is left");
});
