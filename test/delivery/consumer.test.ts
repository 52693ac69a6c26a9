import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Outcome } from "../../src/connector/sink.ts";
import { AttemptLog } from "../../src/delivery/attempt-log.ts";
import { Consumer } from "../../src/delivery/consumer.ts";
import type { BufferBudget } from "../../src/delivery/contract.ts";
import type { Delivery } from "../../src/delivery/entry.ts";
import { createLiveEvent } from "../../src/delivery/entry.ts";
import type { CircuitNews } from "../../src/delivery/circuits.ts";
import { Settler } from "../../src/delivery/settler.ts";
import { nextState } from "../../src/delivery/states.ts";
import { SteadyTime } from "../../src/delivery/steady-time.ts";
import { loadConsumer, parkedRowOf, rowOf } from "../../src/delivery/stored-rows.ts";
import type { ParkedState, SubscriptionState } from "../../src/engine/engine.ts";
import { createEventView } from "../../src/event/event-view.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import {
  aborted,
  answered,
  delivered,
  event,
  final,
  held,
  refused,
  ScriptedSink,
} from "./harness.ts";

/** What the test knows of each offset, kept apart from the code under test. */
type Place = "open" | "filtered" | "delivered" | "dead" | "discarded" | "expired";

const outcomes: Readonly<Record<string, Outcome>> = {
  delivered,
  refused,
  unavailable: answered(503),
  broken: answered(500, 3000),
  held: held(429, 5000),
  heldLong: held(503),
  rejected: final("rejected", 400),
  gone: final("gone", 410),
  aborted,
};

type Command =
  | { readonly do: "read"; readonly passes: boolean }
  | { readonly do: "attempt" }
  | { readonly do: "fetch"; readonly finds: boolean }
  | { readonly do: "settle"; readonly which: number; readonly outcome: string }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "expire"; readonly count: number }
  | { readonly do: "resume" }
  | { readonly do: "pause" }
  | { readonly do: "release" }
  | { readonly do: "refilter" }
  | { readonly do: "commit" }
  | { readonly do: "crash" };

interface Stored {
  readonly row: SubscriptionState;
  readonly parked: readonly ParkedState[];
  readonly places: Map<number, Place>;
  readonly returned: Set<number>;
  readonly next: number;
}

/** Drives the pure core through a history, as the shell would, and keeps a ledger beside it. */
class Driver {
  readonly clock = new FakeClock();
  readonly time = new SteadyTime(this.clock);
  readonly budget: BufferBudget = { bytes: 0, bytesMax: 1e9 };
  readonly settler: Settler;
  consumer: Consumer;
  next = 0;
  places = new Map<number, Place>();
  /** Offsets delivered at least once, whatever crashes forgot since. */
  readonly everDelivered = new Set<number>();
  inFlight: Delivery[] = [];
  /** Given up and taken back by a circuit that opened. */
  returned = new Set<number>();
  revision = 1;
  stored: Stored;
  readonly #deadLetter: boolean;

  constructor(options: { readonly seed: number; readonly deadLetter: boolean }) {
    this.#deadLetter = options.deadLetter;
    this.settler = new Settler({
      clock: this.clock,
      time: this.time,
      random: new SeededRandom(options.seed),
      onAttempt: undefined,
      attemptLog: new AttemptLog(),
      onLetter: () => undefined,
      onChanged: () => undefined,
      onDormant: (consumer) => consumer.releaseBuffers(),
      onGone: () => undefined,
      onCircuit: (consumer, news) => this.circuitChanged(consumer, news),
    });
    this.consumer = new Consumer({
      plan: this.plan(false),
      generation: 1,
      start: 0,
      budget: this.budget,
    });
    this.consumer.readNext = 0;
    this.stored = this.snapshot();
  }

  plan(paused: boolean): ConstructorParameters<typeof Consumer>[0]["plan"] {
    return {
      id: "s",
      revision: this.revision,
      startOffset: 0,
      filter: { passes: () => true, explain: () => [], anchorings: [] },
      transformer: undefined,
      sink: new ScriptedSink(this.clock),
      concurrency: 4,
      rateLimit: 0,
      circuitKey: undefined,
      timeoutMs: 1000,
      retry: { maxAttempts: 6, maxAgeMs: 60_000, minDelayMs: 1000, maxDelayMs: 20_000 },
      deadLetter: this.#deadLetter,
      paused,
    };
  }

  get now(): number {
    return this.time.now();
  }

  snapshot(): Stored {
    const parked = [...this.consumer.retries.values()].map((delivery) => {
      assert(delivery.retry !== undefined);
      return parkedRowOf(this.consumer, delivery.offset, delivery.retry);
    });
    const row = rowOf(this.consumer);
    return structuredClone({
      row,
      parked,
      places: this.places,
      returned: this.returned,
      next: this.next,
    });
  }

  run(command: Command): void {
    switch (command.do) {
      case "read":
        this.read(command.passes);
        break;
      case "attempt":
        this.attempt();
        break;
      case "fetch":
        this.fetch(command.finds);
        break;
      case "settle":
        this.settle(command.which, outcomes[command.outcome] ?? delivered);
        break;
      case "wait":
        this.clock.advance(command.ms);
        break;
      case "expire":
        this.expire(command.count);
        break;
      case "pause":
      case "resume":
        this.change(command.do === "pause");
        break;
      case "release":
        this.consumer.releaseBuffers();
        break;
      case "refilter":
        this.revision += 1;
        this.change(this.consumer.plan.paused);
        break;
      case "commit":
        this.stored = this.snapshot();
        break;
      case "crash":
        this.crash();
        break;
    }
    this.check();
  }

  read(passes: boolean): void {
    const offset = this.next;
    this.next += 1;
    this.consumer.readNext = this.next;
    this.places.set(offset, passes ? "open" : "filtered");
    if (passes) this.consumer.matched(liveAt(offset));
  }

  attempt(): void {
    const delivery = this.consumer.nextInMemory(this.now);
    if (delivery === undefined) return;
    if (delivery.matchedRevision !== this.consumer.plan.revision && delivery.offset % 5 === 0) {
      this.settler.filteredOut(this.consumer, delivery);
      this.places.set(delivery.offset, "filtered");
      return;
    }
    this.consumer.begin(delivery, this.now);
    this.inFlight.push(delivery);
  }

  circuitChanged(consumer: Consumer, news: CircuitNews): void {
    if (news === "closed") consumer.circuitClosed(this.now);
    if (news === "opened") {
      consumer.circuitOpened(this.now);
      // Whatever is open again now was given up before.
      for (const [offset, place] of this.places) {
        if (place !== "dead" && place !== "discarded") continue;
        if (!consumer.open.has(offset) && !consumer.retries.has(offset)) continue;
        assert(!this.returned.has(offset), `offset ${offset} came back a second time`);
        this.returned.add(offset);
        this.places.set(offset, "open");
      }
    }
    if (consumer.isDormant()) consumer.releaseBuffers();
  }

  fetch(finds: boolean): void {
    const delivery = this.consumer.nextToFetch(this.now);
    if (delivery === undefined) return;
    if (finds) this.consumer.fetched(delivery, liveAt(delivery.offset));
    else this.consumer.unfetched(delivery);
  }

  settle(which: number, outcome: Outcome): void {
    const delivery = this.inFlight[which % Math.max(1, this.inFlight.length)];
    if (delivery === undefined) return;
    this.inFlight = this.inFlight.filter((one) => one !== delivery);
    const { offset } = delivery;
    const { plan } = this.consumer;
    const request = {
      event: event(String(offset), "t"),
      subscription: plan.id,
      bus: "b",
      offset,
      attempt: (delivery.retry?.attempts ?? 0) + 1,
      timeoutMs: 1000,
    };
    const startedAt = this.now;
    this.settler.settle(
      { consumer: this.consumer, delivery, plan, request, startedAt, time: startedAt },
      outcome,
    );
    if (delivery.state === "delivered") this.everDelivered.add(offset);
    if (
      delivery.state === "delivered" ||
      delivery.state === "dead" ||
      delivery.state === "discarded"
    ) {
      this.places.set(offset, delivery.state);
    }
  }

  expire(count: number): void {
    this.consumer.expireUnread({ from: this.next, to: this.next + count - 1, reason: "trimmed" });
    for (let left = count; left > 0; left -= 1) {
      this.places.set(this.next, "expired");
      this.next += 1;
    }
    this.consumer.readNext = this.next;
  }

  change(paused: boolean): void {
    this.consumer.change(this.now, () => {
      this.consumer.plan = this.plan(paused);
      if (!paused) this.consumer.isGone = false;
    });
    if (this.consumer.isDormant()) this.consumer.releaseBuffers();
  }

  crash(): void {
    const { paused } = this.consumer.plan;
    this.consumer.close();
    this.inFlight = [];
    const { row, parked, places, returned, next } = structuredClone(this.stored);
    this.places = places;
    this.returned = returned;
    this.next = next;
    this.consumer = loadConsumer({
      plan: this.plan(paused),
      budget: this.budget,
      row,
      parked,
      replays: [],
      failures: [],
    });
  }

  check(): void {
    const { consumer, places } = this;
    const { counts } = consumer;
    const tally = { open: 0, filtered: 0, delivered: 0, dead: 0, discarded: 0, expired: 0 };
    for (const [offset, place] of places) {
      tally[place] += 1;
      const isOpen = consumer.open.has(offset) || consumer.retries.has(offset);
      assert.equal(isOpen, place === "open", `offset ${offset} is ${place}`);
    }
    assert.equal(counts.delivered, tally.delivered);
    assert.equal(counts.dead, tally.dead);
    assert.equal(counts.discarded, tally.discarded);
    assert.equal(counts.expired, tally.expired);
    assert.equal(counts.waiting + counts.inFlight + counts.parked, tally.open);
    const { waiting, inFlight, parked, dead, discarded, expired, skipped } = counts;
    const named =
      counts.delivered + dead + discarded + expired + skipped + parked + inFlight + waiting;
    assert.equal(this.next - named, tally.filtered, "P2: what is left over is filtered");
    assert(consumer.bufferedBytes >= 0 && this.budget.bytes >= 0);
    const inMemory = [...consumer.open.values(), ...consumer.retries.values()].filter(
      (delivery) => delivery.live !== undefined,
    );
    assert.equal(
      consumer.bufferedBytes,
      inMemory.reduce((sum, delivery) => sum + (delivery.live?.bytes ?? 0), 0),
    );
    assert.equal(counts.inFlight, this.inFlight.length);
  }

  /** From here on everything works: whatever is open must come to an end. */
  finish(): void {
    this.change(false);
    for (let round = 0; round < 10_000; round += 1) {
      if (this.consumer.open.size === 0 && this.consumer.retries.size === 0) return;
      this.fetch(true);
      this.attempt();
      this.settle(0, delivered);
      this.clock.advance(1000);
      this.check();
    }
    assert.fail("something was never attempted again");
  }
}

function liveAt(offset: number): Parameters<Consumer["matched"]>[0] {
  return createLiveEvent(
    { offset, time: 0, bytes: 100 },
    createEventView(event(String(offset), "t")),
  );
}

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("read"), passes: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("attempt") }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("fetch"), finds: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("settle"),
      which: fc.nat(3),
      outcome: fc.constantFrom(...Object.keys(outcomes)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.nat(10_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("expire"), count: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pause") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("resume") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("release") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("refilter") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("commit") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash") }) },
) as fc.Arbitrary<Command>;

test("every offset is in exactly one place after every step of any history, crashes among them (P2)", () => {
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 120 }),
      fc.boolean(),
      fc.nat(),
      (commands, deadLetter, seed) => {
        const driver = new Driver({ seed, deadLetter });
        for (const one of commands) driver.run(one);
        driver.finish();
        for (const [offset, place] of driver.places) {
          if (place === "delivered") assert(driver.everDelivered.has(offset), "it did arrive");
        }
      },
    ),
    { numRuns: 400 },
  );
});

test("a step that cannot happen in a state is an error of the program", () => {
  assert.equal(nextState("waiting", "attempt"), "inFlight");
  assert.equal(nextState("parked", "attempt"), "inFlight");
  assert.throws(() => nextState("waiting", "succeed"), /possible in this state/);
  assert.throws(() => nextState("delivered", "attempt"), /takes no more steps/);
});
