import assert from "node:assert/strict";
import type { EngineUnderTest, MakeEngineStore } from "./engine-store.ts";
import { contractSuite, contractTest } from "./engine-store.ts";
import {
  bus,
  holder,
  letter,
  parked,
  plain,
  rescuedRecord,
  subscription,
} from "./engine-contract-rows.ts";

export function letterContract(name: string, make: MakeEngineStore): void {
  contractSuite(`${name} engine: dead letters`, () => {
    contractTest(make, "letters are listed by time, page by page", letterPages);
    contractTest(make, "a letter is got by its name until it is deleted", letterByName);
  });
  contractSuite(`${name} engine: rescued records`, () => {
    contractTest(make, "a rescued record stays while a parked row names it", rescuedWhileParked);
    contractTest(make, "a rescued record stays while a dead letter names it", rescuedWhileDead);
    contractTest(make, "a rescued record stays while it is unsettled", rescuedWhileUnsettled);
    contractTest(make, "a rescued record that nobody names is not kept", rescuedForNobody);
    contractTest(make, "named lists what parked rows and letters name", namedOffsets);
  });
}

async function letterPages(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  const letters = [
    letter("s1", "z", 0, { time: 10 }),
    letter("s1", "b", 1, { time: 20 }),
    letter("s1", "c", 2, { time: 20 }),
    letter("s1", "a", 3, { time: 30 }),
  ];
  await commit({ deadLetters: [...letters.toReversed(), letter("s2", "x", 4)] });
  const page = async (limit: number, after?: string): Promise<string[]> => {
    const query = after === undefined ? { limit } : { limit, after };
    const found = await consumerState.deadLetters(bus, { subscription: "s1", ...query });
    return found.map((row) => row.letter);
  };
  assert.deepEqual(await page(3), ["z", "b", "c"]);
  assert.deepEqual(await page(3, "c"), ["a"]);
  assert.deepEqual(await page(3, "b"), ["c", "a"]);
  assert.deepEqual(await page(3, "a"), []);
  await assert.rejects(page(3, "unknown"), { code: "dead_letter_not_found" });
}

async function letterByName(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  const row = letter("s1", "l1", 3, { details: '{"ä":1}' });
  await commit({ deadLetters: [row, letter("s1", "l2", 3)] });
  assert.deepEqual(plain([await consumerState.deadLetter(bus, "s1", "l1")]), [row]);
  await commit({
    deletedLetters: [
      { subscription: "s1", letter: "l1" },
      { subscription: "s1", letter: "unknown" },
    ],
  });
  assert.equal(await consumerState.deadLetter(bus, "s1", "l1"), undefined);
  assert.notEqual(await consumerState.deadLetter(bus, "s1", "l2"), undefined);
}

async function rescuedWhileParked(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({ parked: [parked("s1", 3), parked("s2", 3)] });
  await commit({ rescued: [rescuedRecord(3)] });
  await commit({ unparked: [{ subscription: "s1", offset: 3 }] });
  assert.deepEqual(plain(await consumerState.rescued(bus, [2, 3, 4])), [rescuedRecord(3)]);
  await commit({ unparked: [{ subscription: "s2", offset: 3 }] });
  assert.deepEqual(await consumerState.rescued(bus, [3]), []);
}

async function rescuedWhileDead(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({ parked: [parked("s1", 3)], rescued: [rescuedRecord(3)] });
  await commit({
    unparked: [{ subscription: "s1", offset: 3 }],
    deadLetters: [letter("s1", "l1", 3)],
  });
  assert.equal((await consumerState.rescued(bus, [3])).length, 1, "the letter took over");
  await commit({
    deletedLetters: [{ subscription: "s1", letter: "l1" }],
    parked: [parked("s1", 3)],
  });
  assert.equal((await consumerState.rescued(bus, [3])).length, 1, "a redrive took it back");
  await commit({ deletedSubscriptions: ["s1"] });
  assert.deepEqual(await consumerState.rescued(bus, [3]), []);
}

async function rescuedWhileUnsettled(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({
    subscriptions: [
      subscription("s1", { unsettled: [3, 4, 900] }),
      subscription("s2", { unsettled: [4] }),
    ],
    rescued: [rescuedRecord(3), rescuedRecord(4)],
  });
  const kept = async (): Promise<number[]> =>
    (await consumerState.rescued(bus, [3, 4])).map((record) => record.offset);
  assert.deepEqual(await kept(), [3, 4]);
  await commit({ subscriptions: [subscription("s1", { unsettled: [900] })] });
  assert.deepEqual(await kept(), [4]);
  await commit({ deletedSubscriptions: ["s2"] });
  assert.deepEqual(await kept(), []);
}

async function rescuedForNobody(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({ rescued: [rescuedRecord(3)], parked: [parked("s1", 4)] });
  assert.deepEqual(await consumerState.rescued(bus, [3]), []);
}

async function namedOffsets(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({
    parked: [parked("s1", 3), parked("s2", 3), parked("s1", 10)],
    deadLetters: [letter("s1", "l1", 7), letter("s1", "l2", 3), letter("s2", "l1", 1)],
  });
  assert.deepEqual(await consumerState.named(bus, 0, 100), [1, 3, 7, 10]);
  assert.deepEqual(await consumerState.named(bus, 3, 10), [3, 7]);
  assert.deepEqual(await consumerState.named(bus, 4, 7), []);
}
