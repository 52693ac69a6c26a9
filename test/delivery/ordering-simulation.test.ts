import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Outcome } from "../../src/connector/sink.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import {
  aborted,
  answered,
  bus,
  delivered,
  final,
  held,
  idsWhere,
  refused,
  turns,
  World,
} from "./harness.ts";
import type { Script } from "./harness.ts";
import { OrderedSink, orderingBy } from "./ordering-harness.ts";
import type { KeyOf } from "./ordering-harness.ts";

/**
 * P5 under random failures, hangs, crashes, restarts, seeks, updates and retention: the far end
 * itself throws when an event comes before its turn. In the end everything heals and P2 is judged.
 */
const seeds = Array.from({ length: 12 }, (_, index) => 77 + index * 6007);

const orderings: Readonly<Record<string, KeyOf>> = {
  few: (offset) => `k${offset % 3}`,
  some: (offset) => (offset % 11 === 5 ? undefined : `k${(offset * 7) % 13}`),
  many: (offset) => `k${offset % 97}`,
  one: () => "the only one",
};

function moods(random: SeededRandom): readonly Script[] {
  const some =
    (outcome: Outcome, share: number): Script =>
    () =>
      random.chance(share) ? outcome : delivered;
  return [
    () => delivered,
    () => refused,
    () => "hang",
    () => final("rejected", 401),
    some(answered(500), 0.3),
    some(held(429, 2000), 0.1),
    some(aborted, 0.2),
    some(refused, 0.5),
    some(final("rejected", 400), 0.2),
    ({ offset }) => (offset % 10 === 3 ? answered(500) : delivered),
    ({ offset }) => (offset % 10 === 3 ? final("rejected", 400) : delivered),
  ];
}

class Simulation {
  readonly random: SeededRandom;
  readonly world: World;
  readonly sink: OrderedSink;
  ordering: string;
  onFailure: "block" | "dead-letter-and-continue";

  constructor(world: World, seed: number) {
    this.random = new SeededRandom(seed);
    this.world = world;
    this.ordering = this.random.pick(Object.keys(orderings));
    this.onFailure = this.random.chance(0.4) ? "block" : "dead-letter-and-continue";
    this.sink = new OrderedSink(world, "s", this.keyOf);
  }

  get keyOf(): KeyOf {
    return orderings[this.ordering] ?? (() => undefined);
  }

  async setUp(): Promise<void> {
    await this.world.subscribe("s", this.sink, {
      ordering: orderingBy(this.ordering, this.keyOf, this.onFailure),
      filter: idsWhere((id) => id % 9 !== 4),
      concurrency: this.random.integer(1, 40),
      retry: { maxAttempts: 4, maxAgeMs: 3_600_000, minDelayMs: 500, maxDelayMs: 20_000 },
    });
  }

  async step(): Promise<void> {
    const { world, random, sink } = this;
    switch (random.integer(0, 10)) {
      case 0:
      case 1:
        await world.publish(random.integer(1, 120));
        break;
      case 2:
      case 3:
        sink.script = random.pick(moods(random));
        sink.latencyMs = random.chance(0.5) ? random.integer(1, 3000) : 0;
        break;
      case 4:
        world.update("s", { paused: random.chance(0.3), concurrency: random.integer(1, 40) });
        break;
      case 5:
        sink.releaseAll(random.pick([delivered, refused, aborted, final("rejected", 400)]));
        break;
      case 6:
        await this.trim();
        break;
      case 7:
        await this.crash();
        break;
      case 8:
        await this.seek();
        break;
      case 9:
        if (random.chance(0.4)) this.reorder();
        else await this.unblock();
        break;
      default:
        await this.breakStore();
    }
    await world.run(random.integer(1, 40) * 50);
    world.status("s");
  }

  async seek(): Promise<void> {
    const { first, next } = this.world.log.bounds();
    const seeking = this.world.delivery.seek("s", this.random.integer(first, next));
    this.sink.newEra();
    await settledOf(this.world, seeking);
  }

  /** Other keys from now on; what is waiting is put in the new order. */
  reorder(): void {
    this.ordering = this.random.pick(Object.keys(orderings));
    this.sink.keyOf = this.keyOf;
    this.sink.newEra();
    this.world.update("s", { ordering: orderingBy(this.ordering, this.keyOf, this.onFailure) });
  }

  async unblock(): Promise<void> {
    const [head] = this.world.status("s").blocked.heads;
    if (head === undefined) return;
    const decision = this.random.pick(["skip", "retry", "dead-letter"] as const);
    const work = this.world.delivery.unblock("s", head.offset, decision);
    await settledOf(this.world, work);
    assert.equal(await work, true);
  }

  async crash(): Promise<void> {
    await this.world.crash();
    this.sink.crashed();
    await this.world.start();
    await turns();
  }

  async trim(): Promise<void> {
    const { world, random } = this;
    const { first, next } = world.log.bounds();
    const preparing = world.delivery.prepareTrim(random.integer(first, next));
    try {
      await settledOf(world, preparing);
    } catch (error) {
      assert(error instanceof BrokerError && error.code === "storage_unavailable");
      return;
    }
    await world.log.trim(await preparing);
  }

  async breakStore(): Promise<void> {
    const { world } = this;
    world.commitFault = () => Promise.reject(new BrokerError("storage_unavailable", "no disk"));
    await world.run(this.random.integer(1, 30) * 100);
    world.commitFault = undefined;
    await world.run(1100);
  }

  async heal(): Promise<void> {
    const { world, sink } = this;
    sink.script = () => delivered;
    sink.latencyMs = 0;
    sink.releaseAll(delivered);
    world.faults.failing = 0;
    // Blocked heads are tried once more and pass.
    const ordering = orderingBy(this.ordering, this.keyOf);
    world.update("s", { paused: false, ordering });
    await world.run(700_000, 1000);
  }

  async judge(): Promise<void> {
    const { counters, generation, blocked } = this.world.status("s");
    const { pending, inFlight, parked } = counters;
    assert.deepEqual({ pending, inFlight, parked }, { pending: 0, inFlight: 0, parked: 0 });
    assert.equal(blocked.count, 0);
    const letters = await this.world.letters("s");
    const mine = letters.filter((letter) => letter.generation === generation);
    assert.equal(counters.dead, mine.length, "one letter for each that is dead");
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

let checks = 0;
after(() => assert(checks > 1000, `only ${checks} predecessors were looked at`));

for (const seed of seeds) {
  test(`P5: each key in order through a stormy life, seed ${seed}`, async () => {
    const disks = [{}, { cached: 0 }, { cached: 0.5, failing: 0.1 }];
    const faults = disks[seed % disks.length] ?? {};
    const world = await World.open({ seed, segmentRecords: 50, faults });
    const simulation = new Simulation(world, seed);
    await simulation.setUp();
    for (let step = 0; step < 45; step += 1) await simulation.step();
    await simulation.heal();
    await simulation.judge();
    await world.stop();
    const state = await world.engine.consumerState.load(bus);
    assert.deepEqual(state.parked, []);
    assert(state.subscriptions.every((row) => row.unsettled.length === 0));
    checks += simulation.sink.checks;
  });
}
