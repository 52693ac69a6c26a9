import assert from "node:assert/strict";
import type { ConsumerChanges, Engine } from "../engine/engine.ts";
import { createMemoryEngine } from "../engine/engines.ts";
import type { EngineUnderTest, MakeEngineStore } from "./engine-store.ts";
import { changes, contractSuite, contractTest } from "./engine-store.ts";
import { SeededRandom } from "./seeded-random.ts";

const bus = "random";
const subscriptions = ["s1", "s2", "s3", "s4"] as const;
const offsetMax = 40;
const commitCount = 300;

/**
 * Random commits go to the engine under test and to the memory engine, whose state is simple enough
 * to be read as the specification; afterwards both must tell the same.
 */
export function randomStateContract(name: string, make: MakeEngineStore): void {
  contractSuite(`${name} engine: random commits`, () => {
    for (const seed of [1, 2, 3]) {
      contractTest(make, `seed ${seed} leaves the state of the model`, (subject) =>
        compareWithModel(subject, new SeededRandom(seed)),
      );
    }
  });
}

async function compareWithModel(subject: EngineUnderTest, random: SeededRandom): Promise<void> {
  const model = createMemoryEngine({ clock: subject.clock });
  await model.open();
  const commitToModel = await commitTo(model);
  let commitToSubject = await commitTo(subject.engine);
  for (let round = 0; round < commitCount; round += 1) {
    const batch = randomChanges(random);
    await Promise.all([commitToModel(batch), commitToSubject(batch)]);
    if (round % 50 === 49) assert.deepEqual(await told(subject.engine), await told(model));
    if (round === commitCount / 2 && subject.store.isDurable) {
      commitToSubject = await commitTo(await subject.reopen());
    }
  }
  await model.close();
}

async function commitTo(engine: Engine): Promise<(batch: ConsumerChanges) => Promise<void>> {
  await engine.log(bus);
  const { token } = await engine.leases.acquire(bus, new AbortController().signal);
  return (batch) => engine.consumerState.commit(bus, token, batch);
}

/** Everything an engine tells about the bus, in a form that compares. */
async function told(engine: Engine): Promise<unknown> {
  const { consumerState } = engine;
  const letters = await Promise.all(
    subscriptions.map((subscription) =>
      consumerState.deadLetters(bus, { subscription, limit: 1000 }),
    ),
  );
  const all = Array.from({ length: offsetMax }, (_, offset) => offset);
  const rescued = await consumerState.rescued(bus, all);
  const attempts = await Promise.all(
    subscriptions.map((subscription) =>
      consumerState.attempts(bus, { ...anyAttempt, subscription }),
    ),
  );
  return {
    attempts: attempts.flat().map(({ details, ...rest }) => ({ ...rest, length: details.length })),
    loaded: await consumerState.load(bus),
    letters,
    rescued: rescued.map(({ offset, payload }) => [offset, Buffer.from(payload).toString("hex")]),
    named: await consumerState.named(bus, 5, offsetMax - 5),
  };
}

const anyAttempt = {
  eventId: undefined,
  offset: undefined,
  outcome: undefined,
  status: undefined,
  since: undefined,
  before: undefined,
  below: undefined,
  limit: 10_000,
};

function randomChanges(random: SeededRandom): ConsumerChanges {
  const offset = (): number => random.integer(0, offsetMax - 1);
  const some = <Row>(chance: number, make: () => Row): Row[] =>
    random.chance(chance) ? Array.from({ length: random.integer(1, 4) }, make) : [];
  const letterKey = (): { subscription: string; letter: string; offset: number } => {
    const at = offset();
    // A letter is made once for one offset; its name says which.
    return { subscription: random.pick(subscriptions), letter: `letter-${at}`, offset: at };
  };
  return changes({
    position: random.chance(0.5) ? offset() : undefined,
    subscriptions: some(0.6, () => randomSubscription(random)),
    parked: some(0.6, () => ({
      subscription: random.pick(subscriptions),
      offset: offset(),
      dueAt: random.next() * 1e12,
      attempts: random.integer(1, 9),
      firstAttemptAt: random.integer(0, 1e12),
      pausedMs: random.next() * 1000,
      lastError: '""',
    })),
    unparked: some(0.6, () => ({ subscription: random.pick(subscriptions), offset: offset() })),
    deadLetters: some(0.5, () => ({
      ...letterKey(),
      generation: 1,
      time: random.integer(0, 5),
      reason: random.pick(["rejected", "too-old"]),
      eventType: random.chance(0.3) ? undefined : random.pick(["a", "b"]),
      eventSource: random.pick(["/x", "/y"]),
      details: "{}",
    })),
    deletedLetters: some(0.5, () => {
      const { subscription, letter } = letterKey();
      return { subscription, letter };
    }),
    attempts: some(0.5, () => ({
      subscription: random.pick(subscriptions),
      time: random.integer(0, 1e9),
      offset: offset(),
      eventId: `event-${offset()}`,
      outcome: random.pick(["delivered", "retry", "dead"]),
      status: random.chance(0.3) ? undefined : random.pick([200, 503]),
      details: "x".repeat(random.pick([1, 100, 20_000, 200_000])),
    })),
    replays: some(0.3, () => ({
      subscription: random.pick(subscriptions),
      replay: `replay-${random.integer(0, 5)}`,
      value: String(random.integer(0, 99)),
    })),
    deletedReplays: some(0.2, () => ({
      subscription: random.pick(subscriptions),
      replay: `replay-${random.integer(0, 5)}`,
    })),
    deletedSubscriptions: random.chance(0.05) ? [random.pick(subscriptions)] : [],
    rescued: some(0.4, () => ({ offset: offset(), time: 1, hops: 0, payload: random.bytes(3) })),
  });
}

function randomSubscription(random: SeededRandom): ConsumerChanges["subscriptions"][number] {
  const unsettled = new Set(
    Array.from({ length: random.integer(0, 6) }, () => random.integer(0, offsetMax - 1)),
  );
  return {
    subscription: random.pick(subscriptions),
    generation: random.integer(1, 3),
    start: random.integer(0, 10),
    position: random.chance(0.3) ? random.integer(0, offsetMax) : undefined,
    counters: {
      delivered: random.integer(0, 1e9),
      dead: random.integer(0, 9),
      discarded: 0,
      expired: 0,
      skipped: 0,
    },
    unsettled: [...unsettled],
    details: "{}",
  };
}
