import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk, DiskFile } from "../../../src/engine/embedded/disk.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { append, codeOf, contentOf, open, record, settle, tryAppend } from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

/** A disk whose every sync takes so long on the clock. */
class SlowDisk {
  readonly memory: MemoryDisk = new MemoryDisk();
  readonly disk: Disk;
  delayMs = 0;

  constructor(clock: FakeClock) {
    const { memory } = this;
    const slowed = (file: DiskFile): DiskFile => ({
      ...file,
      dataSync: (done) => {
        if (this.delayMs === 0) file.dataSync(done);
        else clock.after(this.delayMs, () => file.dataSync(done));
      },
    });
    this.disk = {
      open: async (path, mode) => slowed(await memory.open(path, mode)),
      rename: (from, to) => memory.rename(from, to),
      unlink: (path) => memory.unlink(path),
      makeDirectory: (path) => memory.makeDirectory(path),
      removeDirectory: (path) => memory.removeDirectory(path),
      list: (directory) => memory.list(directory),
      stat: (path) => memory.stat(path),
      syncDirectory: (directory) => memory.syncDirectory(directory),
      freeBytes: () => memory.freeBytes(),
    };
  }
}

async function run(clock: FakeClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 20) {
    await clock.advanceAsync(20);
    await settle();
  }
}

for (const delayMs of [200, 2000]) {
  test(`P1, P7, F9: with ${delayMs} ms a sync every append is answered within 3 of them, and truly`, async () => {
    const clock = new FakeClock();
    const slow = new SlowDisk(clock);
    const log = await open("/log", { disk: slow.disk, clock });
    slow.delayMs = delayMs;
    const waits: number[] = [];
    const acknowledged: string[] = [];
    for (let index = 0; index < 50; index++) {
      const began = clock.now();
      const text = `event ${index}`;
      log.append([record(text)], (failure) => {
        assert.equal(failure, undefined);
        waits.push(clock.now() - began);
        acknowledged.push(text);
        const left = slow.memory.fork();
        left.crash();
        const [name = ""] = left.namesIn("/log");
        assert(left.bytesOf(`/log/${name}`).includes(text), "acknowledged means on the disk");
      });
      await run(clock, delayMs / 10);
    }
    await run(clock, 3 * delayMs);
    assert.equal(acknowledged.length, 50);
    assert(Math.max(...waits) <= 3 * delayMs, `${Math.max(...waits)} ms`);
    slow.delayMs = 0;
    await log.close();
  });
}

test("P7, F9: what waits for a slow disk is bounded; more is refused as overloaded, not lost", async () => {
  const clock = new FakeClock();
  const slow = new SlowDisk(clock);
  const log = await open("/log", { disk: slow.disk, clock });
  slow.delayMs = 2000;
  const payload = Buffer.alloc(1_000_000);
  const outcomes: (string | undefined)[] = [];
  const wanted = Math.ceil(limits.appendQueueBytesMax / payload.length) + 10;
  for (let index = 0; index < wanted; index++) {
    log.append([{ payload, hops: 0, facts: undefined }], (failure) => outcomes.push(failure?.code));
  }
  await settle();
  const refused = outcomes.filter((code) => code === "overloaded").length;
  assert.equal(refused, outcomes.length, "nothing is answered with success before its sync");
  assert(refused >= 10 && refused < wanted);
  await run(clock, 20_000);
  assert.equal(outcomes.filter((code) => code === undefined).length, wanted - refused);
  assert.equal((await contentOf(log)).events.size, wanted - refused);
  slow.delayMs = 0;
  assert.equal(await append(log, "after"), wanted - refused);
  await log.close();
});

test("P1, F5: of a sync that fails live nobody is told yes, and within a second the log goes on", async () => {
  const clock = new FakeClock();
  const slow = new SlowDisk(clock);
  const log = await open("/log", { disk: slow.disk, clock });
  await append(log, "before");
  slow.delayMs = 100;
  const failing = Promise.all(["a", "b", "c"].map((text) => codeOf(tryAppend(log, text))));
  await new Promise((resolve) => setImmediate(resolve));
  slow.memory.inject({ operation: "dataSync", code: "EIO", times: 1 });
  await run(clock, 100);
  assert.deepEqual(await failing, ["outcome_unknown", "outcome_unknown", "outcome_unknown"]);
  const began = clock.now();
  let answeredAt = 0;
  const next = append(log, "next").then((offset) => {
    answeredAt = clock.now();
    return offset;
  });
  await run(clock, 1000);
  assert.equal(await next, 1);
  assert(answeredAt - began < 1000, `${answeredAt - began} ms`);
  slow.memory.crash();
  const again = await open("/log", { disk: slow.memory });
  assert.deepEqual([...(await contentOf(again)).events.values()], ["before", "next"]);
  await again.close();
});
