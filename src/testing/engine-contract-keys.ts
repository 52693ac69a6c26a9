import assert from "node:assert/strict";
import type { EventLog } from "../engine/engine.ts";
import { KEY_BYTES, encodeFacts } from "../engine/record-facts.ts";
import type { EngineUnderTest, MakeEngineStore } from "./engine-store.ts";
import { contractTest } from "./engine-store.ts";

/** Deduplication keys as the log lists them: what a broker starts its window from. */
export function keysContract(make: MakeEngineStore): void {
  contractTest(
    make,
    "keys come with offsets and times, from a time on, whatever is sealed",
    listing,
  );

  contractTest(make, "a log without keys lists none", async ({ engine }) => {
    const log = await engine.log("orders");
    assert.deepEqual(await listKeys(log, 0), []);
    await appendNumbered(log, 1, false);
    assert.deepEqual(await listKeys(log, 0), []);
  });
}

async function listing(subject: EngineUnderTest): Promise<void> {
  const log = await subject.engine.log("orders");
  const expected: Listed[] = [];
  for (let number = 0; log.segments().length < 4; number++) {
    assert.ok(number < 1000, "the store under test has small segments");
    const isKeyed = number % 3 !== 1;
    await appendNumbered(log, number, isKeyed);
    const time = log.bounds().lastTime ?? 0;
    if (isKeyed) expected.push({ offset: number, time, key: keyOf(number) });
    subject.clock.advance(10);
  }
  const middle = expected[Math.floor(expected.length / 2)]?.time ?? 0;
  const check = async (checked: EventLog): Promise<void> => {
    assert.deepEqual(await listKeys(checked, 0), expected);
    const fromMiddle = expected.filter(({ time }) => time >= middle);
    assert.deepEqual(await listKeys(checked, middle), fromMiddle);
    assert.deepEqual(await listKeys(checked, subject.clock.now() + 1), []);
  };
  await check(log);
  if (subject.store.isDurable) await check(await (await subject.reopen()).log("orders"));
}

interface Listed {
  readonly offset: number;
  readonly time: number;
  readonly key: string;
}

function keyOf(number: number): string {
  return String(number).padStart(KEY_BYTES, "k");
}

async function listKeys(log: EventLog, since: number): Promise<Listed[]> {
  const listed: Listed[] = [];
  for await (const { offsets, times, keys } of log.keys(since)) {
    for (const [index, offset] of offsets.entries()) {
      const key = keys.toString("latin1", index * KEY_BYTES, (index + 1) * KEY_BYTES);
      listed.push({ offset, time: times[index] ?? 0, key });
    }
  }
  return listed;
}

async function appendNumbered(log: EventLog, number: number, isKeyed: boolean): Promise<void> {
  const facts = isKeyed ? encodeFacts({ key: Buffer.from(keyOf(number), "latin1") }) : undefined;
  const payload = Buffer.from(`${number} ${"x".repeat(2000)}`);
  await new Promise<void>((resolve) => {
    log.append([{ payload, hops: 0, facts }], (failure) => {
      assert.equal(failure, undefined);
      resolve();
    });
  });
}
