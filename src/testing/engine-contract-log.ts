import assert from "node:assert/strict";
import type { EventLog } from "../engine/engine.ts";
import { keysContract } from "./engine-contract-keys.ts";
import type { EngineUnderTest, MakeEngineStore } from "./engine-store.ts";
import { appendTexts, contractSuite, contractTest, readLimit, textsOf } from "./engine-store.ts";

export function logContract(name: string, make: MakeEngineStore): void {
  contractSuite(`${name} engine: appending`, () => {
    appendContract(make);
    advanceContract(make);
  });
  contractSuite(`${name} engine: reading`, () => {
    readContract(make);
    findContract(make);
  });
  contractSuite(`${name} engine: keys`, () => keysContract(make));
  contractSuite(`${name} engine: retention`, () => trimContract(make));
  contractSuite(`${name} engine: the life of a log`, () => {
    lifeContract(make);
    endContract(make);
  });
}

function appendContract(make: MakeEngineStore): void {
  contractTest(make, "an append is called back after it has returned", async ({ engine }) => {
    const log = await engine.log("orders");
    let hasReturned = false;
    const settled = new Promise<number>((resolve) => {
      log.append([recordOf("a")], (failure, first) => {
        assert.equal(failure, undefined);
        assert.ok(hasReturned, "the callback came before append had returned");
        resolve(first);
      });
    });
    hasReturned = true;
    assert.equal(await settled, 0);
  });

  contractTest(make, "offsets are dense and callbacks come in order", async ({ engine }) => {
    const log = await engine.log("orders");
    const firsts: number[] = [];
    const sizes = Array.from({ length: 100 }, (_, index) => (index % 7) + 1);
    await Promise.all(
      sizes.map(async (size, index) => {
        const texts = Array.from({ length: size }, (_unused, part) => `${index}.${part}`);
        firsts.push(await appendTexts(log, texts));
      }),
    );
    let expected = 0;
    for (const [index, size] of sizes.entries()) {
      assert.equal(firsts[index], expected);
      expected += size;
    }
    assert.equal(log.bounds().next, expected);
  });

  contractTest(make, "the payload is the caller's again when append returns", async (subject) => {
    const log = await subject.engine.log("orders");
    const payload = Buffer.from("original");
    const settled = new Promise<void>((resolve) => {
      log.append([{ payload, hops: 0, facts: undefined }], () => resolve());
    });
    payload.fill("x");
    await settled;
    assert.deepEqual(textsOf(await log.read(0, readLimit)), ["original"]);
  });
}

function advanceContract(make: MakeEngineStore): void {
  contractTest(make, "a record is visible when it is called back, not before", async (subject) => {
    const log = await subject.engine.log("orders");
    const settled = new Promise<void>((resolve) => {
      log.append([recordOf("a"), recordOf("b")], () => {
        assert.equal(log.bounds().next, 2);
        resolve();
      });
    });
    assert.equal(log.bounds().next, 0);
    await settled;
  });

  contractTest(make, "onAdvance tells each new next until it is disposed", async ({ engine }) => {
    const log = await engine.log("orders");
    const seen: number[] = [];
    const listening = log.onAdvance((next) => seen.push(next));
    await appendTexts(log, ["a"]);
    await appendTexts(log, ["b", "c"]);
    await nextTurn();
    assert.deepEqual(seen, [1, 3]);
    listening.dispose();
    await appendTexts(log, ["d"]);
    await nextTurn();
    assert.deepEqual(seen, [1, 3]);
  });

  contractTest(make, "append times never run backwards", async ({ engine, clock }) => {
    const log = await engine.log("orders");
    await appendTexts(log, ["a"]);
    clock.jumpWall(-3_600_000);
    await appendTexts(log, ["b"]);
    const { times } = await log.read(0, readLimit);
    assert.equal(times[1], times[0]);
  });
}

function readContract(make: MakeEngineStore): void {
  contractTest(make, "a read gives back payload, hops and time", async ({ engine, clock }) => {
    const log = await engine.log("orders");
    const facts = Buffer.from("facts of the broker");
    const records = [
      { payload: Buffer.from("ä"), hops: 0, facts: undefined },
      { payload: Buffer.from([0, 255, 10]), hops: 255, facts },
    ];
    await new Promise<void>((resolve) => {
      log.append(records, () => resolve());
    });
    const batch = await log.read(0, readLimit);
    assert.equal(batch.count, 2);
    assert.deepEqual([...batch.offsets], [0, 1]);
    assert.deepEqual([...batch.hops], [0, 255]);
    assert.deepEqual([...batch.times], [clock.now(), clock.now()]);
    for (const [index, record] of records.entries()) {
      const payload = batch.buffer.subarray(batch.starts[index], batch.ends[index]);
      assert.deepEqual(Buffer.from(payload), record.payload);
    }
    assert.deepEqual([...batch.gaps], []);
    assert.equal(batch.next, 2);
  });

  contractTest(make, "at the end a read is empty and stays where it is", async ({ engine }) => {
    const log = await engine.log("orders");
    assert.equal((await log.read(0, readLimit)).next, 0);
    await appendTexts(log, ["a"]);
    const batch = await log.read(1, readLimit);
    assert.equal(batch.count, 0);
    assert.equal(batch.next, 1);
  });

  contractTest(make, "reads keep to their limits but give at least one record", async (subject) => {
    const log = await subject.engine.log("orders");
    await appendTexts(log, ["x".repeat(5000), "b", "c", "d"]);
    assert.equal((await log.read(0, { records: 3, bytes: 1_000_000 })).count, 3);
    const small = await log.read(0, { records: 10, bytes: 10 });
    assert.equal(small.count, 1);
    assert.equal(small.next, 1);
    assert.deepEqual(textsOf(await log.read(small.next, { records: 2, bytes: 1000 })), ["b", "c"]);
  });
}

function findContract(make: MakeEngineStore): void {
  contractTest(make, "what was just appended is read from memory", async ({ engine }) => {
    const log = await engine.log("orders");
    await appendTexts(log, ["a", "b"]);
    await appendTexts(log, ["c"]);
    const cached = log.readCached(1, { records: 1, bytes: 1000 });
    assert.ok(cached !== undefined, "the tail is in memory");
    assert.deepEqual(textsOf(cached), ["b"]);
    const rest = log.readCached(cached.next, readLimit);
    assert.ok(rest !== undefined);
    assert.deepEqual(textsOf(rest), ["c"]);
    assert.equal(rest.next, 3);
  });

  contractTest(make, "offsetAt finds the first event of a time", async ({ engine, clock }) => {
    const log = await engine.log("orders");
    const start = clock.now();
    assert.equal(await log.offsetAt(start), 0);
    for (const text of ["a", "b", "c"]) {
      await appendTexts(log, [text, text]);
      clock.advance(1000);
    }
    assert.equal(await log.offsetAt(start - 1), 0);
    assert.equal(await log.offsetAt(start), 0);
    assert.equal(await log.offsetAt(start + 1), 2);
    assert.equal(await log.offsetAt(start + 1000), 2);
    assert.equal(await log.offsetAt(start + 2000), 4);
    assert.equal(await log.offsetAt(start + 2001), 6);
  });
}

function trimContract(make: MakeEngineStore): void {
  contractTest(make, "segments cover everything kept, without a hole", async ({ engine }) => {
    const log = await engine.log("orders");
    await fillSegments(log);
    const segments = log.segments();
    assert.equal(segments[0]?.first, log.bounds().first);
    assert.equal(segments.at(-1)?.next, log.bounds().next);
    for (const [index, segment] of segments.entries()) {
      const following = segments[index + 1];
      if (following !== undefined) assert.equal(segment.next, following.first);
    }
  });

  contractTest(make, "trim cuts at a segment and says what is gone", async ({ engine }) => {
    const log = await engine.log("orders");
    await fillSegments(log);
    const cut = log.segments()[1]?.first ?? 0;
    assert.ok(cut > 0);
    assert.equal(log.trimmable(cut + 1), cut);
    assert.equal(log.trimmable(cut - 1), 0);
    await log.trim(cut + 1);
    assert.equal(log.bounds().first, cut);
    const batch = await log.read(0, readLimit);
    assert.deepEqual([...batch.gaps], [{ from: 0, to: cut - 1, reason: "trimmed" }]);
    assert.equal(batch.offsets[0], cut);
    assert.equal(textsOf(batch)[0]?.split(" ")[0], String(cut));
  });

  contractTest(make, "trim is idempotent and never goes back", async ({ engine }) => {
    const log = await engine.log("orders");
    await fillSegments(log);
    const cut = log.segments()[2]?.first ?? 0;
    await log.trim(cut);
    await log.trim(cut);
    await log.trim(0);
    assert.equal(log.bounds().first, cut);
    assert.equal(log.segments()[0]?.first, cut);
  });

  contractTest(make, "bounds().first moves before trim has finished", async ({ engine }) => {
    const log = await engine.log("orders");
    await fillSegments(log);
    const cut = log.segments()[1]?.first ?? 0;
    const trimmed = log.trim(cut);
    assert.equal(log.bounds().first, cut);
    await trimmed;
  });
}

function lifeContract(make: MakeEngineStore): void {
  contractTest(make, "the log of a bus is one object, also when asked twice", async (subject) => {
    const { engine } = subject;
    const [left, right] = await Promise.all([engine.log("orders"), engine.log("orders")]);
    assert.equal(left, right);
    assert.notEqual(left, await engine.log("invoices"));
  });

  contractTest(make, "buses do not see each other's events", async ({ engine }) => {
    const orders = await engine.log("orders");
    const invoices = await engine.log("invoices");
    await appendTexts(orders, ["order"]);
    assert.equal(invoices.bounds().next, 0);
    assert.equal(await appendTexts(invoices, ["invoice"]), 0);
    assert.deepEqual(textsOf(await orders.read(0, readLimit)), ["order"]);
  });

  contractTest(make, "a deleted and recreated log is a new one", async ({ engine }) => {
    const old = await engine.log("orders");
    await appendTexts(old, ["old"]);
    await engine.deleteLog("orders");
    const fresh = await engine.log("orders");
    assert.equal(fresh.bounds().next, 0);
    assert.equal(await appendTexts(fresh, ["new"]), 0);
    assert.deepEqual(textsOf(await fresh.read(0, readLimit)), ["new"]);
  });

  contractTest(make, "a log asked for while it is deleted is a new one", async ({ engine }) => {
    await appendTexts(await engine.log("orders"), ["old"]);
    const [, fresh] = await Promise.all([engine.deleteLog("orders"), engine.log("orders")]);
    assert.equal(fresh.bounds().next, 0);
  });
}

function endContract(make: MakeEngineStore): void {
  contractTest(make, "a deleted log refuses appends through the callback", async ({ engine }) => {
    const log = await engine.log("orders");
    await engine.deleteLog("orders");
    await assert.rejects(appendTexts(log, ["late"]), { name: "BrokerError" });
  });

  contractTest(make, "deleting a bus that has no log is fine", async ({ engine }) => {
    await engine.deleteLog("nothing");
  });

  contractTest(make, "close finishes what was appended", async ({ engine }) => {
    const log = await engine.log("orders");
    const settled = Promise.all([appendTexts(log, ["a"]), appendTexts(log, ["b"])]);
    await engine.close();
    assert.deepEqual(await settled, [0, 1]);
    await engine.close();
    await assert.rejects(engine.log("orders"), { code: "stopping" });
  });

  contractTest(make, "verify finds no damage where there is none", async ({ engine }) => {
    const log = await engine.log("orders");
    await fillSegments(log);
    for await (const damage of log.verify()) assert.fail(JSON.stringify(damage));
  });

  contractTest(make, "a durable log goes on after a reopen where it was", afterReopen);
}

async function afterReopen(subject: EngineUnderTest): Promise<void> {
  if (!subject.store.isDurable) return;
  const before = await subject.engine.log("orders");
  await fillSegments(before);
  const cut = before.segments()[1]?.first ?? 0;
  await before.trim(cut);
  const last = before.bounds();

  const log = await (await subject.reopen()).log("orders");
  assert.deepEqual(
    { first: log.bounds().first, next: log.bounds().next },
    { first: cut, next: last.next },
  );
  assert.equal(log.bounds().lastTime, last.lastTime);
  const texts = await readTexts(log);
  assert.equal(texts.length, last.next - cut);
  for (const [index, text] of texts.entries()) {
    assert.equal(text.split(" ")[0], String(cut + index));
  }
  assert.equal(await appendTexts(log, ["next"]), last.next);
}

function recordOf(text: string): { payload: Uint8Array; hops: number; facts: undefined } {
  return { payload: Buffer.from(text), hops: 0, facts: undefined };
}

/** Appends records of a kilobyte, each naming its offset, until there are four segments. */
async function fillSegments(log: EventLog): Promise<void> {
  const filling = "x".repeat(1000);
  for (let round = 0; log.segments().length < 4; round += 1) {
    assert.ok(round < 1000, "the store under test has small segments");
    const { next } = log.bounds();
    await appendTexts(log, [`${next} ${filling}`, `${next + 1} ${filling}`]);
  }
}

async function readTexts(log: EventLog): Promise<string[]> {
  const texts: string[] = [];
  let { first: from } = log.bounds();
  while (from < log.bounds().next) {
    const batch = await log.read(from, readLimit);
    texts.push(...textsOf(batch));
    assert.ok(batch.next > from, "a read below next moves on");
    from = batch.next;
  }
  return texts;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
