import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk, DiskFile, FileSpan } from "../../../src/engine/embedded/disk.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { append, contentOf, everything, listOf, open } from "./log-kit.ts";
import { MemoryDisk } from "./memory-disk.ts";

/** What the disk refuses to read (spec/log-format.md, Opening and reading). */
const EVENTS = 200;
const BLOCK = 4096;

/** A disk some of whose blocks cannot be read. */
class BadBlocks implements Pick<Disk, "open"> {
  readonly #disk: MemoryDisk;
  readonly bad: Set<number> = new Set();
  path = "";
  /** Not even the header can be read. */
  isGone = false;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  /** The disk beneath, with reads that fail where a block is bad. */
  get disk(): Disk {
    const open = (path: string, mode: "read" | "write" | "create"): Promise<DiskFile> =>
      this.open(path, mode);
    return new Proxy(this.#disk, {
      get(target, name) {
        if (name === "open") return open;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile> {
    const file = await this.#disk.open(path, mode);
    const isBad = ({ position, start, end }: FileSpan): boolean => {
      if (path !== this.path) return false;
      if (this.isGone) return true;
      const last = Math.floor((position + end - start - 1) / BLOCK);
      return [...this.bad].some((block) => block >= Math.floor(position / BLOCK) && block <= last);
    };
    return {
      ...file,
      read: (span) =>
        isBad(span)
          ? Promise.reject(Object.assign(new Error("bad block"), { code: "EIO" }))
          : file.read(span),
    };
  }
}

async function sealedLog(): Promise<{ blocks: BadBlocks; path: string }> {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk, segmentBytesMax: 32 * 1024 });
  for (let index = 0; index < EVENTS; index++) await append(log, textOf(index));
  await log.close();
  const blocks = new BadBlocks(disk);
  const path = `/log/${disk.namesIn("/log")[0] ?? ""}`;
  blocks.path = path;
  return { blocks, path };
}

function textOf(index: number): string {
  return `event ${index} ${"x".repeat(300)}`;
}

test("an I/O error that passes at once is not even noticed", async () => {
  const disk = new MemoryDisk();
  const log = await open("/log", { disk });
  await append(log, "a");
  await log.close();
  const again = await open("/log", { disk });
  disk.inject({ operation: "read", code: "EIO", times: limits.readRetriesMax });
  assert.equal((await contentOf(again)).events.get(0), "a");
  assert.deepEqual(again.damages(), []);
  await again.close();
});

test("what the disk cannot read for long is a gap, reported once, and the rest is served", async () => {
  const { blocks } = await sealedLog();
  const clock = new FakeClock();
  const log = await open("/log", { disk: blocks.disk, clock, segmentBytesMax: 32 * 1024 });
  blocks.bad.add(3);
  await assert.rejects(log.read(0, everything), { code: "storage_unavailable" });
  await clock.advanceAsync(limits.unreadableMsMin - 1);
  await assert.rejects(log.read(0, everything), { code: "storage_unavailable" });
  await clock.advanceAsync(1);
  for (let round = 0; round < 2; round++) {
    const { events, gaps, next } = await contentOf(log);
    assert.equal(next, EVENTS);
    const [gap] = gaps;
    assert(gap !== undefined && gaps.length === 1 && gap.reason === "damaged");
    const lost = gap.to - gap.from + 1;
    assert(lost >= 10 && lost <= 15, `a block of 4 KiB holds about 12 events, lost ${lost}`);
    assert.equal(events.size, EVENTS - lost);
    for (const [offset, text] of events) assert.equal(text, textOf(offset));
  }
  assert.equal(log.damages().length, 1, JSON.stringify(log.damages()));
  assert.equal((await listOf(log.verify())).length, 1);
  await log.close();
});

test("a block that can be read again in time costs nothing", async () => {
  const { blocks } = await sealedLog();
  const clock = new FakeClock();
  const log = await open("/log", { disk: blocks.disk, clock });
  blocks.bad.add(2);
  await assert.rejects(log.read(0, everything), { code: "storage_unavailable" });
  blocks.bad.clear();
  await clock.advanceAsync(limits.unreadableMsMin);
  assert.equal((await contentOf(log)).events.size, EVENTS);
  // An old failure does not count against a new one.
  blocks.bad.add(2);
  await assert.rejects(log.verify()[Symbol.asyncIterator]().next(), {
    code: "storage_unavailable",
  });
  await clock.advanceAsync(limits.unreadableMsMin - 1);
  blocks.bad.clear();
  assert.deepEqual((await contentOf(log)).gaps, []);
  assert.deepEqual(log.damages(), []);
  await log.close();
});

test("a disk that reads nothing at all is unavailable for ever, not damaged", async () => {
  const { blocks } = await sealedLog();
  const clock = new FakeClock();
  const log = await open("/log", { disk: blocks.disk, clock });
  blocks.isGone = true;
  for (let round = 0; round < 3; round++) {
    await assert.rejects(log.read(0, everything), { code: "storage_unavailable" });
    await clock.advanceAsync(limits.unreadableMsMin);
  }
  assert.deepEqual(log.damages(), []);
  blocks.isGone = false;
  assert.equal((await contentOf(log)).events.size, EVENTS);
  await log.close();
});

test("a log opened anew tries what was unreadable again", async () => {
  const { blocks } = await sealedLog();
  const clock = new FakeClock();
  const log = await open("/log", { disk: blocks.disk, clock });
  blocks.bad.add(1);
  await assert.rejects(log.read(0, everything), { code: "storage_unavailable" });
  await clock.advanceAsync(limits.unreadableMsMin);
  assert.equal((await contentOf(log)).gaps.length, 1);
  await log.close();
  blocks.bad.clear();
  const again = await open("/log", { disk: blocks.disk, clock });
  assert.deepEqual((await contentOf(again)).gaps, []);
  await again.close();
});
