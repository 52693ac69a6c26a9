import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../../src/connector/sink.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import {
  aborted,
  answered,
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

  constructor(world: World, seed: number) {
    this.random = new SeededRandom(seed);
    this.world = world;
    const sink = (): ScriptedSink => new ScriptedSink(world.clock);
    this.sinks = { all: sink(), even: sink(), typed: sink() };
  }

  async setUp(): Promise<void> {
    for (const name of names) {
      const { filter } = subscriptions[name];
      const concurrency = this.random.integer(1, 70);
      await this.world.subscribe(name, this.sinks[name], { filter, concurrency });
    }
  }

  async step(): Promise<void> {
    const { world, random } = this;
    const name = random.pick(names);
    switch (random.integer(0, 8)) {
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
      default:
        await this.breakStore();
    }
    await world.run(random.integer(1, 40) * 50);
    for (const one of names) world.status(one);
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
    const preparing = world.delivery.prepareTrim(before);
    try {
      await settledOf(world, preparing);
    } catch (error) {
      assert(error instanceof BrokerError && error.code === "storage_unavailable");
      return;
    }
    await world.log.trim(before);
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
      const { counters, expiredRanges } = this.world.status(name);
      const { pending, inFlight, parked } = counters;
      assert.deepEqual({ pending, inFlight, parked }, { pending: 0, inFlight: 0, parked: 0 }, name);
      const letters = await this.world.letters(name);
      assert.equal(counters.dead, letters.length, `${name}: one letter for each that is dead`);
      const accounted = new Set(letters.map((letter) => letter.offset));
      for (const { from, to } of expiredRanges) {
        for (let offset = from; offset <= to; offset += 1) accounted.add(offset);
      }
      let filtered = 0;
      for (let offset = 0; offset < this.world.log.bounds().next; offset += 1) {
        if (accounted.has(offset)) continue;
        if (!subscriptions[name].wants(offset)) filtered += 1;
        else assert(this.sinks[name].delivered.has(offset), `${name} never got offset ${offset}`);
      }
      assert.equal(counters.filtered, filtered, `${name}: filtered, counted again by the test`);
    }
  }
}

/** Gives the work the time it needs; a bad disk makes it fail, and then it is tried again later. */
async function settledOf(world: World, work: Promise<void>): Promise<void> {
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
    await world.stop();
    const state = await world.engine.consumerState.load(bus);
    assert.deepEqual(state.parked, []);
    assert(state.subscriptions.every((row) => row.unsettled.length === 0));
  });
}
