import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../../src/connector/sink.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import {
  aborted,
  answered,
  anyLetter,
  bus,
  delivered,
  everything,
  final,
  held,
  idsWhere,
  onlyTypes,
  refused,
  ScriptedSink,
  turns,
  World,
} from "./harness.ts";
import type { Script } from "./harness.ts";

/**
 * A bus with several consumers of different moods under random load, crashes, failing commits,
 * pauses and retention; then everything heals, and nothing may be missing (P2, P4, at least once).
 */
const seeds = Array.from({ length: 12 }, (_, index) => 1000 + index * 7919);

const typeOf = (id: number): string => ["a", "b", "c"][id % 3] ?? "a";

const subscriptions = {
  all: { filter: everything, wants: () => true },
  even: { filter: idsWhere((id) => id % 2 === 0), wants: (id: number) => id % 2 === 0 },
  typed: { filter: onlyTypes("a", "c"), wants: (id: number) => typeOf(id) !== "b" },
};
type Name = keyof typeof subscriptions;
const names = Object.keys(subscriptions) as Name[];

function moods(random: SeededRandom): readonly Script[] {
  const some =
    (outcome: Outcome, share: number): Script =>
    () =>
      random.chance(share) ? outcome : delivered;
  return [
    () => delivered,
    () => refused,
    // A revoked credential: no event may be lost by it, whatever else happens.
    () => final("rejected", 401),
    () => "hang",
    some(answered(500), 0.3),
    some(held(429, 2000), 0.1),
    some(aborted, 0.2),
    some(refused, 0.5),
    ({ offset }) => (offset % 10 === 3 ? final("rejected", 400) : delivered),
  ];
}

class Simulation {
  readonly random: SeededRandom;
  readonly world: World;
  readonly sinks: Readonly<Record<Name, ScriptedSink>>;
  /** Offsets whose dead letter was deleted. */
  readonly forgiven: Readonly<Record<Name, Set<number>>> = {
    all: new Set(),
    even: new Set(),
    typed: new Set(),
  };

  constructor(world: World, seed: number) {
    this.random = new SeededRandom(seed);
    this.world = world;
    const sink = (): ScriptedSink => new ScriptedSink(world.clock);
    this.sinks = { all: sink(), even: sink(), typed: sink() };
  }

  /** F16: the largest row of a subscription that was committed, as JSON. */
  rowBytesMax = 0;

  async setUp(): Promise<void> {
    this.world.onCommit = ({ subscriptions: rows }) => {
      for (const row of rows) {
        this.rowBytesMax = Math.max(this.rowBytesMax, JSON.stringify(row).length);
      }
    };
    for (const name of names) {
      const { filter } = subscriptions[name];
      const concurrency = this.random.integer(1, 70);
      await this.world.subscribe(name, this.sinks[name], { filter, concurrency });
    }
  }

  async step(): Promise<void> {
    const { world, random } = this;
    const name = random.pick(names);
    switch (random.integer(0, 12)) {
      case 0:
      case 1:
      case 2:
        await world.publish(random.integer(1, 200), typeOf);
        break;
      case 3:
        this.sinks[name].script = random.pick(moods(random));
        break;
      case 4:
        world.update(name, { paused: random.chance(0.3) });
        break;
      case 5:
        this.sinks[name].releaseAll(random.pick([delivered, refused, aborted]));
        break;
      case 6:
        await this.trim();
        break;
      case 7:
        if (random.chance(0.5)) await this.crash();
        break;
      case 8:
        await this.seek(name);
        break;
      case 9:
        await this.deleteLetter(name);
        break;
      case 10:
        await this.redrive(name);
        break;
      case 11:
        await this.purge(name);
        break;
      default:
        await this.breakStore();
    }
    await world.run(random.integer(1, 40) * 50);
    for (const one of names) {
      this.#checkPrevious(one);
      this.#checkReplays(one);
    }
  }

  /** P2 for the generations that are closed: their totals add up, and what was lost is in them. */
  #checkPrevious(name: Name): void {
    const { generation, previous } = this.world.status(name);
    const counted = previous.reduce((sum, totals) => sum + totals.generations, 0);
    assert.equal(counted, generation - 1, `${name}: every earlier generation is in previous`);
    for (const { counters, offsets: covered } of previous) {
      const sum = Object.values(counters).reduce((all, count) => all + count, 0);
      assert.equal(sum, covered, `${name}: the totals add up`);
    }
  }

  async seek(name: Name): Promise<void> {
    const { first, next } = this.world.log.bounds();
    await settledOf(this.world, this.world.delivery.seek(name, this.random.integer(first, next)));
  }

  async deleteLetter(name: Name): Promise<void> {
    const letters = await this.world.letters(name);
    if (letters.length === 0) return;
    const { letter, offset } = this.random.pick(letters);
    this.forgiven[name].add(offset);
    await settledOf(this.world, this.world.delivery.letters.discard(name, letter));
  }

  /** Some or all, to its own sink; the replay goes on through whatever happens next. */
  async redrive(name: Name): Promise<void> {
    const { world, random } = this;
    const letters = await world.letters(name);
    const some = letters.filter(() => random.chance(0.5)).map(({ letter }) => letter);
    const isAll = random.chance(0.5);
    if (!isAll && some.length === 0) return;
    const selection = isAll ? { filter: anyLetter } : { letters: some.slice(0, 1000) };
    const ratePerSecond = random.chance(0.3) ? random.integer(1, 50) : undefined;
    const work = world.delivery.letters.redrive(name, {
      selection,
      ratePerSecond,
      sink: undefined,
    });
    await settledOf(world, work).catch((error: unknown) => {
      const isExpected = error instanceof BrokerError;
      assert(isExpected && ["overloaded", "dead_letter_not_found"].includes(error.code));
    });
  }

  /** Letters of the present generation, so that the judge can tell which offsets they were. */
  async purge(name: Name): Promise<void> {
    const { world, random } = this;
    const max = random.integer(1, 30);
    const before = await world.letters(name);
    await settledOf(world, world.delivery.letters.purge(name, anyLetter, max));
    const after = new Set((await world.letters(name)).map(({ letter }) => letter));
    for (const { letter, offset } of before)
      if (!after.has(letter)) this.forgiven[name].add(offset);
  }

  #checkReplays(name: Name): void {
    for (const { replay } of this.world.delivery.letters.replays(name)) {
      const { redriven, delivered: sent, dead, other, waiting } = replay.counts;
      assert.equal(redriven, sent + dead + other + waiting, `${name}: a replay adds up`);
      assert(Math.min(sent, dead, other, waiting) >= 0);
    }
  }

  async crash(): Promise<void> {
    await this.world.crash();
    // The far ends of a dead process answer nobody.
    for (const name of names) this.sinks[name].hanging.length = 0;
    await this.world.start();
    await turns();
  }

  async trim(): Promise<void> {
    const { world, random } = this;
    const { first, next } = world.log.bounds();
    const before = random.integer(first, next);
    const keepUnread = random.chance(0.3);
    const expiredBefore = names.map((name) => world.status(name).counters.expired);
    const preparing = world.delivery.prepareTrim(before, { keepUnread });
    try {
      await settledOf(world, preparing);
    } catch (error) {
      assert(error instanceof BrokerError && error.code === "storage_unavailable");
      return;
    }
    await world.log.trim(await preparing);
    if (!keepUnread) return;
    const expired = names.map((name) => world.status(name).counters.expired);
    assert.deepEqual(expired, expiredBefore, "keepUnread expires nothing");
  }

  async breakStore(): Promise<void> {
    const { world } = this;
    world.commitFault = () => Promise.reject(new BrokerError("storage_unavailable", "no disk"));
    await world.run(this.random.integer(1, 30) * 100);
    world.commitFault = undefined;
    await world.run(1100);
  }

  async heal(): Promise<void> {
    const { world } = this;
    for (const name of names) {
      this.sinks[name].script = () => delivered;
      this.sinks[name].releaseAll(delivered);
      world.update(name, { paused: false });
    }
    world.faults.failing = 0;
    await world.run(700_000, 1000);
  }

  async judge(): Promise<void> {
    for (const name of names) {
      for (const { replay } of this.world.delivery.letters.replays(name)) {
        assert.notEqual(replay.end, undefined, `${name}: a replay has come to its end`);
        assert.equal(replay.counts.waiting, 0);
      }
      const { counters, expiredRanges, start, generation } = this.world.status(name);
      const { pending, inFlight, parked } = counters;
      assert.deepEqual({ pending, inFlight, parked }, { pending: 0, inFlight: 0, parked: 0 }, name);
      const all = await this.world.letters(name);
      const letters = all.filter((letter) => letter.generation === generation);
      assert.equal(counters.dead, letters.length, `${name}: one letter for each that is dead`);
      const accounted = new Set(letters.map((letter) => letter.offset));
      for (const { from, to } of expiredRanges) {
        for (let offset = from; offset <= to; offset += 1) accounted.add(offset);
      }
      let filtered = 0;
      for (let offset = start; offset < this.world.log.bounds().next; offset += 1) {
        if (accounted.has(offset)) continue;
        if (!subscriptions[name].wants(offset)) filtered += 1;
        else if (!this.forgiven[name].has(offset))
          assert(this.sinks[name].delivered.has(offset), `${name} never got offset ${offset}`);
      }
      assert.equal(counters.filtered, filtered, `${name}: filtered, counted again by the test`);
    }
  }
}

/** Gives the work the time it needs; a bad disk makes it fail, and then it is tried again later. */
async function settledOf(world: World, work: Promise<unknown>): Promise<void> {
  let isDone = false;
  const done = work.finally(() => (isDone = true));
  done.catch(() => undefined);
  while (!isDone) await world.run(500);
  await done;
}

for (const seed of seeds) {
  test(`nothing is lost and every counter is right after a stormy life, seed ${seed}`, async () => {
    const disks = [{}, { cached: 0 }, { cached: 0.5, failing: 0.1 }];
    const faults = disks[seed % disks.length] ?? {};
    const world = await World.open({ seed, segmentRecords: 50, faults });
    const simulation = new Simulation(world, seed);
    await simulation.setUp();
    for (let step = 0; step < 40; step += 1) await simulation.step();
    await simulation.heal();
    await simulation.judge();
    assert(simulation.rowBytesMax <= 65_536, `a row had ${simulation.rowBytesMax} bytes`);
    await world.stop();
    const state = await world.engine.consumerState.load(bus);
    assert.deepEqual(state.parked, []);
    assert(state.subscriptions.every((row) => row.unsettled.length === 0));
  });
}
