import assert from "node:assert/strict";
import type { AttemptQuery, AttemptState, LetterFilter } from "../engine/engine.ts";
import { limits } from "../kernel/limits.ts";
import { bus, holder, letter, subscription } from "./engine-contract-rows.ts";
import type { Holder } from "./engine-contract-rows.ts";
import { contractSuite, contractTest } from "./engine-store.ts";
import type { EngineUnderTest, MakeEngineStore } from "./engine-store.ts";

export function attemptContract(name: string, make: MakeEngineStore): void {
  contractSuite(`${name} engine: attempts log`, () => {
    contractTest(make, "attempts are told newest first, page by page", attemptPages);
    contractTest(make, "attempts are searched by every member of a query", attemptSearch);
    contractTest(make, "failures and successes are bounded apart by count", attemptCounts);
    contractTest(make, "attempts are bounded by bytes and by age", attemptBounds);
    contractTest(make, "attempts survive a reopen and go with their subscription", attemptLife);
  });
  contractSuite(`${name} engine: replays and searched letters`, () => {
    contractTest(make, "a replay is kept as it was put last, until it is deleted", replayRows);
    contractTest(make, "letters are listed and counted by every member of a filter", letterFilters);
    contractTest(make, "letters go on behind a place whose letter is gone", letterPlaces);
  });
}

function attempt(offset: number, parts: Partial<AttemptState> = {}): AttemptState {
  return {
    subscription: "s1",
    time: 1_767_225_600_000 + offset,
    offset,
    eventId: `event-${offset}`,
    outcome: "retry",
    status: 500,
    details: '{"error":"ä"}',
    ...parts,
  };
}

const anyAttempt: AttemptQuery = {
  subscription: "s1",
  eventId: undefined,
  offset: undefined,
  outcome: undefined,
  status: undefined,
  since: undefined,
  before: undefined,
  below: undefined,
  limit: 10_000,
};

const anyLetter: LetterFilter = {
  since: undefined,
  before: undefined,
  reason: undefined,
  eventType: undefined,
  eventSource: undefined,
  generation: undefined,
  offset: undefined,
};

async function attemptPages(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({ attempts: [attempt(1), attempt(2, { outcome: "delivered", status: undefined })] });
  await commit({ attempts: [attempt(3), attempt(4, { subscription: "s2" })] });
  const page = await consumerState.attempts(bus, { ...anyAttempt, limit: 2 });
  assert.deepEqual(
    page.map(({ offset, status, details }) => ({ offset, status, details })),
    [
      { offset: 3, status: 500, details: '{"error":"ä"}' },
      { offset: 2, status: undefined, details: '{"error":"ä"}' },
    ],
  );
  const rest = await consumerState.attempts(bus, { ...anyAttempt, below: page[1]?.sequence });
  assert.deepEqual(
    rest.map(({ offset }) => offset),
    [1],
  );
}

async function attemptSearch(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({
    attempts: [
      attempt(1, { time: 10 }),
      attempt(2, { time: 20, status: 599 }),
      attempt(3, { time: 30, status: undefined, outcome: "dead" }),
      attempt(4, { time: 40, status: 600, eventId: "event-1" }),
    ],
  });
  const found = async (parts: Partial<AttemptQuery>): Promise<number[]> => {
    const rows = await consumerState.attempts(bus, { ...anyAttempt, ...parts });
    return rows.map(({ offset }) => offset);
  };
  assert.deepEqual(await found({}), [4, 3, 2, 1]);
  assert.deepEqual(await found({ eventId: "event-1" }), [4, 1]);
  assert.deepEqual(await found({ offset: 2 }), [2]);
  assert.deepEqual(await found({ outcome: "dead" }), [3]);
  assert.deepEqual(await found({ status: { from: 500, to: 599 } }), [2, 1]);
  assert.deepEqual(await found({ since: 20, before: 40 }), [3, 2]);
  assert.deepEqual(await found({ since: 20, status: { from: 500, to: 500 } }), []);
}

async function attemptCounts(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  const failures = Array.from({ length: limits.attemptLogFailuresMax + 5 }, (_, at) => attempt(at));
  const successes = Array.from({ length: limits.attemptLogSuccessesMax + 7 }, (_, at) =>
    attempt(10_000 + at, { outcome: "delivered", status: 200 }),
  );
  await commit({ attempts: failures });
  await commit({ attempts: successes });
  const rows = await consumerState.attempts(bus, anyAttempt);
  const offsets = rows.map(({ offset }) => offset);
  const kept = [...failures.slice(5), ...successes.slice(7)].map(({ offset }) => offset);
  assert.deepEqual(offsets, kept.toReversed());
}

async function attemptBounds(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  const large = "x".repeat(limits.attemptLogBytesMax / 4);
  await commit({ attempts: [1, 2, 3, 4, 5].map((at) => attempt(at, { details: large })) });
  const offsets = async (): Promise<number[]> =>
    (await consumerState.attempts(bus, anyAttempt)).map(({ offset }) => offset);
  assert.deepEqual(await offsets(), [5, 4, 3]);
  const later = attempt(6).time + limits.attemptLogAgeMsMax;
  await commit({ attempts: [attempt(6, { time: later, outcome: "delivered" })] });
  assert.deepEqual(await offsets(), [6, 5, 4, 3], "each kind has an age of its own");
  await commit({ attempts: [attempt(7, { time: later })] });
  assert.deepEqual(await offsets(), [7, 6]);
}

async function attemptLife(subject: EngineUnderTest): Promise<void> {
  const first = await holder(subject);
  const { commit } = first;
  const many = Array.from({ length: limits.lastErrorsMax + 2 }, (_, at) => attempt(at));
  const success = attempt(99, { outcome: "delivered" });
  await commit({ subscriptions: [subscription("s1")], attempts: [...many, success] });
  const again = await reopened(subject, first);
  const { failures } = await subject.engine.consumerState.load(bus);
  const latest = many.toReversed().slice(0, limits.lastErrorsMax);
  assert.deepEqual(
    failures.map(({ offset }) => offset),
    latest.map(({ offset }) => offset),
  );
  await again.commit({ attempts: [attempt(100)] });
  const [newest] = await again.consumerState.attempts(bus, anyAttempt);
  assert.equal(newest?.offset, 100, "the sequence goes on");
  await again.commit({ deletedSubscriptions: ["s1"] });
  assert.deepEqual(await again.consumerState.attempts(bus, anyAttempt), []);
}

/** The lease after a restart, where the engine has something to start again from. */
async function reopened(subject: EngineUnderTest, before: Holder): Promise<Holder> {
  if (!subject.store.isDurable) return before;
  await subject.reopen();
  return holder(subject);
}

async function replayRows(subject: EngineUnderTest): Promise<void> {
  const first = await holder(subject);
  const { commit } = first;
  const row = (replay: string, value: string, of = "s1"): ReplayRow => ({
    subscription: of,
    replay,
    value,
  });
  await commit({ replays: [row("b", "1"), row("a", "1"), row("a", "1", "s2")] });
  await commit({ replays: [row("b", '{"ä":2}')] });
  const again = await reopened(subject, first);
  const replays = async (): Promise<readonly ReplayRow[]> =>
    (await subject.engine.consumerState.load(bus)).replays;
  assert.deepEqual(await replays(), [row("a", "1"), row("b", '{"ä":2}'), row("a", "1", "s2")]);
  await again.commit({
    deletedReplays: [{ subscription: "s1", replay: "a" }],
    deletedSubscriptions: ["s2"],
  });
  assert.deepEqual(await replays(), [row("b", '{"ä":2}')]);
}

interface ReplayRow {
  readonly subscription: string;
  readonly replay: string;
  readonly value: string;
}

async function letterFilters(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({
    deadLetters: [
      letter("s1", "a", 1, { time: 10, reason: "rejected", eventType: "x" }),
      letter("s1", "b", 2, { time: 20, reason: "too-old", eventType: undefined }),
      letter("s1", "c", 2, { time: 30, reason: "rejected", eventSource: "/y", generation: 2 }),
      letter("s2", "d", 1, { time: 10 }),
    ],
  });
  const found = async (parts: Partial<LetterFilter>): Promise<string[]> => {
    const filter = { ...anyLetter, ...parts };
    const rows = await consumerState.deadLetters(bus, { subscription: "s1", filter, limit: 10 });
    assert.equal(await consumerState.countDeadLetters(bus, "s1", filter), rows.length);
    return rows.map((row) => row.letter);
  };
  assert.deepEqual(await found({}), ["a", "b", "c"]);
  assert.deepEqual(await found({ since: 20 }), ["b", "c"]);
  assert.deepEqual(await found({ before: 20 }), ["a"]);
  assert.deepEqual(await found({ reason: "rejected" }), ["a", "c"]);
  assert.deepEqual(await found({ eventType: "x" }), ["a"]);
  assert.deepEqual(await found({ eventSource: "/y" }), ["c"]);
  assert.deepEqual(await found({ generation: 1 }), ["a", "b"]);
  assert.deepEqual(await found({ offset: 2 }), ["b", "c"]);
}

async function letterPlaces(subject: EngineUnderTest): Promise<void> {
  const { commit, consumerState } = await holder(subject);
  await commit({
    deadLetters: ["a", "b", "c"].map((name, at) => letter("s1", name, at, { time: 10 })),
  });
  await commit({ deletedLetters: [{ subscription: "s1", letter: "b" }] });
  const afterPlace = { time: 10, letter: "b" };
  const rows = await consumerState.deadLetters(bus, { subscription: "s1", afterPlace, limit: 10 });
  assert.deepEqual(
    rows.map((row) => row.letter),
    ["c"],
  );
}
