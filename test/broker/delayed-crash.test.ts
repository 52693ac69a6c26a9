/** Crashes between every two steps of a delayed event's life, in virtual time, by seed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DelayedQueue } from "../../src/broker/delayed-queue.ts";
import { UnreadGuard } from "../../src/broker/unread-guard.ts";
import { createMemoryEngine } from "../../src/engine/engines.ts";
import type { DelayedStore, Engine, EventLog, Lease } from "../../src/engine/engine.ts";
import { decodeFacts } from "../../src/engine/record-facts.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import { silentLogger } from "../../src/kernel/logger.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const SEEDS = 150;
const CRASHES = 4;
const PUBLISHES = 6;

/** One life of the process: when it ends, nothing reaches storage and no answer comes back. */
class Life {
  isOver = false;
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** The request reaches storage after a while, unless the crash is faster; so does its answer. */
  async send<Result>(request: () => Promise<Result>): Promise<Result> {
    await this.#while();
    const trouble = this.#random.next();
    if (trouble < 0.05) throw new BrokerError("storage_unavailable", "not now");
    const result = await request();
    await this.#while();
    if (trouble > 0.95) throw new BrokerError("outcome_unknown", "the answer was lost");
    return result;
  }

  append(log: EventLog, ...[records, settled]: Parameters<EventLog["append"]>): void {
    const sent = this.send(
      () =>
        new Promise<number>((resolve, reject) => {
          log.append(records, (failure, first) => (failure ? reject(failure) : resolve(first)));
        }),
    );
    sent.then(
      (first) => settled(undefined, first),
      (failure: BrokerError) => settled(failure, 0),
    );
  }

  async #while(): Promise<void> {
    for (let turns = this.#random.integer(0, 3); turns >= 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.isOver) await new Promise(() => undefined);
    }
  }
}

function during<Target extends object>(life: Life, target: Target): Target {
  return new Proxy(target, {
    get(_target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name === "append") {
        return (...given: Parameters<EventLog["append"]>) =>
          life.append(target as EventLog, ...given);
      }
      if (name === "onAdvance" || name === "bounds") return value.bind(target);
      return (...given: unknown[]) =>
        life.send(() => value.apply(target, given) as Promise<unknown>);
    },
  });
}

interface Ledger {
  /** Ids that were acknowledged as delayed, by what their payload says. */
  readonly acknowledged: Map<string, string>;
  readonly batches: Map<string, readonly string[]>;
  /** Refused with an error that promises that nothing was stored. */
  readonly refused: Set<string>;
  readonly cancelled: Set<string>;
  /** Cancellations whose answer never came, or was that nobody knows. */
  readonly doubtful: Map<string, number>;
}

async function openQueue(engine: Engine, clock: FakeClock, random: SeededRandom) {
  const life = new Life(random);
  const log = during(life, await engine.log("b"));
  const lease: Lease = {
    bus: "b",
    token: 1,
    lost: new AbortController().signal,
    release: () => Promise.resolve(),
  };
  const queue = new DelayedQueue({
    bus: "b",
    log,
    lease,
    store: during<DelayedStore>(life, engine.delayed),
    clock,
    random,
    logger: silentLogger,
    unread: new UnreadGuard({ bus: "b", log, delivery: {} as never, clock }),
    deduplicator: () => undefined,
  });
  // A bus whose store does not answer is not opened: the process ends, and the next one tries.
  const opened = queue.open().then(
    () => true,
    () => false,
  );
  return { life, queue, opened };
}

function publishSome(
  queue: DelayedQueue,
  ledger: Ledger,
  { clock, random, name }: { clock: FakeClock; random: SeededRandom; name: string },
): void {
  const isMixed = random.chance(0.4);
  const count = random.integer(1, 4);
  const texts = Array.from({ length: count }, (_, index) => `${name}/${index}`);
  const given = texts.map((text, index) => ({
    payload: Buffer.from(text),
    hops: 0,
    dueAt: isMixed && index % 2 === 0 ? undefined : clock.now() + random.integer(1, 400),
  }));
  ledger.batches.set(name, texts);
  if (given.every(({ dueAt }) => dueAt === undefined)) return;
  queue.add(given, (failure, _first, outcome) => {
    if (failure !== undefined) {
      if (failure.code !== "outcome_unknown") for (const text of texts) ledger.refused.add(text);
      return;
    }
    texts.forEach((text, index) => {
      ledger.acknowledged.set(text, outcome?.delayed[index] ?? "");
      if (outcome?.delayed[index] === null) {
        assert.equal(typeof outcome.offsets[index], "number", "what is not delayed has an offset");
      }
    });
  });
}

function cancelOne(queue: DelayedQueue, ledger: Ledger, random: SeededRandom): void {
  const delayed = [...ledger.acknowledged].filter(([, id]) => id !== "");
  if (delayed.length === 0) return;
  const [text, id] = random.pick(delayed);
  const doubt = (more: number): void =>
    void ledger.doubtful.set(text, (ledger.doubtful.get(text) ?? 0) + more);
  doubt(1);
  queue.cancel(id).then(
    (event) => {
      doubt(-1);
      if (event !== undefined) ledger.cancelled.add(text);
    },
    (failure: BrokerError) => {
      if (failure.code !== "outcome_unknown") doubt(-1);
    },
  );
}

async function textsOf(log: EventLog): Promise<string[]> {
  const batch = await log.read(0, { records: 100_000, bytes: 1e9 });
  return batch.offsets.map((_, index) => {
    const start = batch.starts[index] ?? 0;
    const { delayedId } = decodeFacts(batch.buffer, batch.factsStarts[index] ?? 0, start);
    assert.notEqual(delayedId, undefined, "each record says which delayed event it was");
    return batch.buffer.toString("utf8", start, batch.ends[index]);
  });
}

async function run(seed: number): Promise<number> {
  const random = new SeededRandom(seed);
  const clock = new FakeClock();
  const engine = createMemoryEngine({ clock });
  await engine.open();
  await engine.log("b");
  const ledger: Ledger = {
    acknowledged: new Map(),
    batches: new Map(),
    refused: new Set(),
    cancelled: new Set(),
    doubtful: new Map(),
  };
  for (let crash = 0; crash < CRASHES; crash++) {
    const { life, queue } = await openQueue(engine, clock, random);
    for (let publish = 0; publish < PUBLISHES; publish++) {
      publishSome(queue, ledger, { clock, random, name: `${crash}.${publish}` });
      if (random.chance(0.3)) cancelOne(queue, ledger, random);
      await clock.advanceAsync(random.integer(0, 150));
      for (let turn = random.integer(0, 12); turn > 0; turn--) await clock.advanceAsync(1);
      if (random.chance(0.1)) clock.jumpWall(random.integer(-300, 300));
    }
    life.isOver = true;
    await clock.advanceAsync(random.integer(0, 100));
  }
  // The last life: everything that waits comes due.
  let last = await openQueue(engine, clock, random);
  while (!(await last.opened)) last = await openQueue(engine, clock, random);
  const { queue } = last;
  for (let publish = 0; publish < PUBLISHES; publish++) {
    publishSome(queue, ledger, { clock, random, name: `last.${publish}` });
    await clock.advanceAsync(random.integer(0, 150));
  }
  for (
    let step = 0;
    step < 400 && ((await engine.delayed.summary("b")).count > 0 || step < 20);
    step++
  ) {
    await clock.advanceAsync(100);
  }
  await queue.stop();
  const texts = await textsOf(await engine.log("b"));
  const seen = new Set(texts);
  assert.equal(seen.size, texts.length, "no event twice");
  for (const text of ledger.acknowledged.keys()) {
    if ((ledger.doubtful.get(text) ?? 0) > 0) continue;
    assert.equal(seen.has(text), !ledger.cancelled.has(text), `${text} acknowledged, in the log`);
  }
  for (const text of ledger.refused) assert.ok(!seen.has(text), `${text} was refused`);
  for (const batch of ledger.batches.values()) {
    const there = batch.filter((text) => seen.has(text) || ledger.cancelled.has(text)).length;
    // A cancellation whose answer was lost may have taken one of them.
    const mayLack = batch.some((text) => ledger.acknowledged.has(text));
    if (!mayLack)
      assert.ok(there === 0 || there === batch.length, `all or nothing of ${batch.join()}`);
  }
  assert.equal((await engine.delayed.summary("b")).count, 0);
  await engine.close();
  return ledger.acknowledged.size;
}

test(`P1: ${SEEDS} seeds of crashes, failures and lost answers: every acknowledged event once`, async (t) => {
  const only = process.env["MILLRACE_SEED"];
  const first = only === undefined ? 1 : Number(only);
  let acknowledged = 0;
  for (let seed = first; seed < first + (only === undefined ? SEEDS : 1); seed++) {
    try {
      acknowledged += await run(seed);
    } catch (error) {
      throw new Error(`MILLRACE_SEED=${seed}: ${String(error)}`, { cause: error });
    }
  }
  t.diagnostic(`${acknowledged} events acknowledged`);
  assert.ok(
    only !== undefined || acknowledged > SEEDS * CRASHES,
    "the crashes leave room for work",
  );
});
