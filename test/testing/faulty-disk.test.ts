import assert from "node:assert/strict";
import { test } from "node:test";
import { syncData, writeWhole } from "../../src/engine/embedded/disk.ts";
import type { DiskFile } from "../../src/engine/embedded/disk.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { FaultyDisk } from "../../src/testing/faulty-disk.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const write = (file: DiskFile, text: string, position = 0): Promise<void> => {
  const buffer = Buffer.from(text);
  return writeWhole(file, { buffer, start: 0, end: buffer.length, position });
};

/** A disk with one file whose name and content are durable. */
async function diskWith(text: string): Promise<{ disk: FaultyDisk; file: DiskFile }> {
  const disk = new FaultyDisk();
  const file = await disk.open("/a", "create");
  await write(file, text);
  await syncData(file);
  await disk.syncDirectory("/");
  return { disk, file };
}

const code =
  (wanted: string) =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === wanted;

test("kill -9 keeps what was written and not synced, a power cut loses it", async () => {
  const { disk, file } = await diskWith("old");
  await write(file, "new");
  const killed = disk.kill();
  assert.equal(killed.bytesOf("/a").toString(), "new");
  assert.equal(killed.crash().bytesOf("/a").toString(), "old");
});

test("a dead disk never answers, and what its process still does reaches nobody", async () => {
  const { disk, file } = await diskWith("old");
  const next = disk.kill();
  let answered = false;
  void write(file, "new").then(() => (answered = true));
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
  assert.equal(answered, false);
  assert.equal(next.bytesOf("/a").toString(), "old");
});

test("after a failed sync the next one says yes, and the bytes are not on the disk", async () => {
  const { disk, file } = await diskWith("old");
  await write(file, "new");
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  await assert.rejects(syncData(file), code("EIO"));
  assert.equal(disk.bytesOf("/a").toString(), "new");
  await syncData(file);
  assert.equal(disk.crash().bytesOf("/a").toString(), "old");
});

test("what is written once more after a failed sync is synced by the next one", async () => {
  const { disk, file } = await diskWith("old");
  await write(file, "new");
  disk.inject({ operation: "dataSync", code: "EIO", times: 1 });
  await assert.rejects(syncData(file), code("EIO"));
  await write(file, "new");
  await syncData(file);
  assert.equal(disk.crash().bytesOf("/a").toString(), "new");
});

test("a name that was not synced is lost in a power cut: created, renamed or removed", async () => {
  const { disk } = await diskWith("old");
  await disk.open("/b", "create");
  await disk.rename("/a", "/c");
  assert.deepEqual(disk.filesIn("/"), ["/b", "/c"]);
  const after = disk.crash();
  assert.deepEqual(after.filesIn("/"), ["/a"]);
  await after.unlink("/a");
  assert.deepEqual(after.crash().filesIn("/"), ["/a"]);
});

test("a rename may be durable before the data is", async () => {
  const found = new Set<string>();
  for (let seed = 1; seed < 200; seed++) {
    const { disk } = await diskWith("old");
    const file = await disk.open("/b.tmp", "create");
    await write(file, "new");
    await disk.rename("/b.tmp", "/b");
    const after = disk.crash(new SeededRandom(seed));
    const names = after.filesIn("/");
    found.add(`${names.join(" ")}: ${names.includes("/b") ? after.bytesOf("/b").length : "-"}`);
  }
  // Nothing arrived, only the temporary name, the rename with its data, and without it.
  for (const wanted of ["/a: -", "/a /b.tmp: -", "/a /b: 3", "/a /b: 0"]) assert(found.has(wanted));
});

test("an unsynced write is torn between sectors of 512 bytes, and later ones may arrive first", async () => {
  const found = new Set<string>();
  for (let seed = 1; seed < 400; seed++) {
    const { disk, file } = await diskWith("a".repeat(1024));
    await write(file, "b".repeat(1024));
    await write(file, "c".repeat(300), 1024);
    const text = disk.crash(new SeededRandom(seed)).bytesOf("/a").toString("latin1");
    found.add(`${text.slice(0, 512)[0]}${text.slice(512, 1024)[0]}${text[1024] ?? "-"}`);
    for (const sector of [text.slice(0, 512), text.slice(512, 1024)]) {
      assert.equal(new Set(sector).size, 1, "a sector is old or new as a whole");
    }
  }
  assert.deepEqual([...found].toSorted(), ["aa-", "aac", "ab-", "abc", "ba-", "bac", "bb-", "bbc"]);
});

test("faults: by operation, after some successes, some times, with part of a write", async () => {
  const { disk, file } = await diskWith("");
  disk.inject({ operation: "write", code: "ENOSPC", after: 1, times: 1, writtenBytes: 2 });
  await write(file, "one ");
  await assert.rejects(write(file, "four", 4), code("ENOSPC"));
  assert.equal(disk.bytesOf("/a").toString(), "one fo");
  await write(file, "four", 4);
  disk.inject({ code: "EMFILE", after: 1 });
  await disk.stat("/a");
  await assert.rejects(disk.open("/a", "read"), code("EMFILE"));
  await assert.rejects(disk.list("/"), code("EMFILE"));
  disk.heal();
  assert.deepEqual(await disk.list("/"), ["a"]);
});

test("a full disk takes what fits, and then nothing, until there is room", async () => {
  const { disk, file } = await diskWith("1234");
  disk.capacityBytes = 6;
  await assert.rejects(write(file, "abcdef", 4), code("ENOSPC"));
  assert.equal(disk.bytesOf("/a").toString(), "1234ab");
  assert.equal(await disk.freeBytes("/"), 0);
  disk.capacityBytes = 10;
  await write(file, "abcdef", 4);
  assert.equal(disk.bytesOf("/a").toString(), "1234abcdef");
});

test("a slow disk takes its time on the clock", async () => {
  const clock = new FakeClock();
  const disk = new FaultyDisk({ clock });
  disk.delayMs = 300;
  let isDone = false;
  const made = disk.makeDirectory("/d").then(() => (isDone = true));
  await clock.advanceAsync(299);
  assert.equal(isDone, false);
  await clock.advanceAsync(1);
  await made;
});

test("a death is ordered before or after a call, of any kind or of one", async () => {
  for (const moment of ["before", "after"] as const) {
    const { disk } = await diskWith("x");
    let deaths = 0;
    disk.onDeath = () => (deaths += 1);
    disk.dieAt({ operation: "unlink", afterCalls: 0, moment });
    await disk.list("/");
    void disk.unlink("/a");
    await new Promise((done) => setImmediate(done));
    assert.equal(deaths, 1);
    assert.equal(disk.isDead, true);
    assert.deepEqual(disk.kill().filesIn("/"), moment === "before" ? ["/a"] : []);
  }
});

test("a flipped bit is on the medium: it is still there after a power cut", async () => {
  const { disk } = await diskWith("a");
  disk.flipBit("/a", 1);
  assert.equal(disk.bytesOf("/a").toString(), "c");
  assert.equal(disk.crash().bytesOf("/a").toString(), "c");
});
