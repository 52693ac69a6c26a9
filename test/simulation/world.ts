import assert from "node:assert/strict";
import type { CloudEvent } from "../../src/event/event.ts";
import { noExtensions } from "../../src/event/event.ts";
import type { FsyncMode } from "../../src/engine/engine.ts";
import type { BlockedDecision } from "../../src/delivery/delivery.ts";
import { SEGMENT_DATA_START } from "../../src/engine/embedded/log-format.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { FaultyDisk } from "../../src/testing/faulty-disk.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";
import { Broker, bus, logsRoot } from "./broker.ts";
import { SimulatedConsumer } from "./consumer.ts";
import type { ConsumerSettings } from "./consumer.ts";
import { goodMood } from "./far-end.ts";
import type { Mood } from "./far-end.ts";
import { judgeAtRest, judgeStep } from "./judge.ts";
import { Ledger } from "./ledger.ts";
import type { Publish } from "./ledger.ts";
import { Life } from "./life.ts";
import { SimulatedState } from "./state.ts";
import { Trace } from "./trace.ts";

export type Ending = "kill" | "power cut" | "stop";

/** More than the longest probe delay and the longest hold together, many times over. */
const restMsMax = 1_800_000;
const startsMax = 50;

/** The subscription that P3 is shown by. */
export const witnessId = "witness";

export const slowestCallMs = 1500;

export const types = ["a", "b", "c"] as const;
/** How many keys there are where a subscription is ordered by them. */
const accounts = 5;

/**
 * Everything around one broker: its disk, its database, virtual time, publishers, far ends, and
 * those who keep the books. All of it follows from the seed, so that a run repeats exactly.
 */
export class World {
  readonly seed: number;
  readonly random: SeededRandom;
  readonly clock: FakeClock = new FakeClock();
  readonly trace: Trace = new Trace();
  readonly ledger: Ledger;
  readonly fsync: FsyncMode;
  readonly state: SimulatedState = new SimulatedState();
  readonly consumers: Map<string, SimulatedConsumer> = new Map();
  segmentBytesMax: number;
  disk: FaultyDisk;
  life: Life;
  broker: Broker | undefined;
  lives = 0;
  deaths = 0;
  isolationsShown = 0;
  /** Something may fail that a healthy machine does not refuse. */
  #isSick = false;
  #sicknesses = 0;
  /** Work that steps have begun and that nobody waits for. */
  readonly #background = new Set<Promise<void>>();
  #backgroundFailure: Error | undefined;
  #isTrimming = false;
  /** The newest acknowledged end of the active segment, and the one before: proved by the newer. */
  #acknowledged = { first: -1, bytes: 0, provedBytes: 0 };
  #events = 0;
  #tick = 0;
  #committedAt = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.random = new SeededRandom(seed);
    this.segmentBytesMax = this.random.pick([2500, 4000, 12_000]);
    this.fsync = this.random.pick(["always", "always", "always", "interval", "never"]);
    const isWeak = this.fsync !== "always";
    this.trace.add(`fsync ${this.fsync}`);
    this.ledger = new Ledger({ isWeak });
    this.life = new Life(this.clock);
    this.disk = new FaultyDisk({
      random: new SeededRandom(this.#seed()),
      clock: this.clock,
      // What a broker has acknowledged without a sync lives in the page cache alone.
      keepsFailedPages: isWeak,
    });
  }

  static async open(seed: number): Promise<World> {
    const world = new World(seed);
    await world.disk.makeDirectory("/data");
    await world.disk.syncDirectory("/");
    return world;
  }

  get isDead(): boolean {
    return this.life.isOver;
  }

  get running(): Broker {
    assert(this.broker !== undefined, "the broker runs");
    return this.broker;
  }

  /** From now on, until heal(), a failure is no surprise. */
  fallSick(): void {
    this.#isSick = true;
    this.#sicknesses += 1;
  }

  /** To be called as some work begins; the answer says whether its failure is no surprise. */
  #excuse(): () => boolean {
    const before = this.#isSick ? -1 : this.#sicknesses;
    return () => this.#sicknesses !== before;
  }

  // -- Lives -------------------------------------------------------------------------------------

  /** Starts the broker, again and again while faults or deaths keep it from coming up. */
  async start(): Promise<void> {
    for (let attempt = 1; attempt <= startsMax; attempt++) {
      if (attempt > 3) this.heal();
      const started = await this.#startOnce();
      if (started) return this.#comeUp();
      // A process that did not come up ends; the disk keeps what it has written.
      this.end(this.random.pick(["kill", "power cut"]));
    }
    assert.fail(`the broker did not come up in ${startsMax} starts`);
  }

  async #startOnce(): Promise<boolean> {
    this.lives += 1;
    const life = new Life(this.clock);
    const number = this.lives;
    this.life = life;
    this.trace.add(`start ${number}`);
    this.disk.onDeath = () => life.end();
    this.disk.onCall = (operation, path) => this.trace.add(`disk ${operation} ${path}`);
    const connection = this.state.connect({
      life,
      random: new SeededRandom(this.#seed()),
      onCommit: () => this.#commitBegan(),
    });
    const isExcused = this.#excuse();
    const starting = Broker.start({
      life,
      number,
      disk: this.disk,
      connection,
      seed: this.#seed(),
      segmentBytesMax: this.segmentBytesMax,
      rollAfterMs: 20_000,
      fsync: this.fsync,
      consumers: this.consumers,
      onGone: (id) => this.#gone(id, life),
    });
    try {
      this.broker = await this.until(starting);
    } catch (error) {
      if (!isExcused()) throw error;
      this.trace.add(`start failed: ${String(error)}`);
    }
    return this.broker !== undefined && !this.isDead;
  }

  async #comeUp(): Promise<void> {
    this.trace.add(`up, next ${this.running.log.bounds().next}`);
    this.judge();
    await this.checkLog();
  }

  /** The end of this life. `kill` keeps what was written, a power cut only what was synced. */
  end(ending: Ending): void {
    this.trace.add(`end: ${ending}`);
    this.deaths += 1;
    this.life.end();
    this.broker = undefined;
    this.#isTrimming = false;
    this.#background.clear();
    this.ledger.lifeEnded();
    for (const consumer of this.consumers.values()) consumer.lifeEnded(this.#committedAt);
    const old = this.disk;
    // The machine may go down right after the process did.
    const isDark = ending === "power cut" || (ending === "kill" && this.random.chance(0.2));
    this.disk = isDark ? old.crash(this.random) : old.kill();
    if (isDark) this.ledger.powerCut();
    this.#keepFaults(old);
  }

  /** Faults belong to the machine, not to the process; a restart may meet them again. */
  #keepFaults(old: FaultyDisk): void {
    this.disk.capacityBytes = old.capacityBytes;
    this.disk.delayMs = old.delayMs;
    if (this.random.chance(0.7)) this.heal();
  }

  async restart(ending: Ending): Promise<void> {
    if (ending === "stop" && !this.isDead) await this.until(this.running.stop());
    this.end(ending);
    if (this.random.chance(0.2)) this.orderDeath(this.random.integer(1, 30));
    await this.start();
    // What a new process took over must be on the disk by the time anybody has seen it.
    if (this.random.chance(0.15)) await this.restart("power cut");
  }

  /** Ends every fault, and the life that may be dying of them. */
  async revive(): Promise<void> {
    this.heal();
    this.disk.cancelDeath();
    if (this.isDead) {
      this.end("power cut");
      this.heal();
      await this.start();
    }
    await this.advance(1100);
  }

  /** The process dies as it makes its n-th call to the disk from now. */
  orderDeath(afterCalls: number): void {
    const moment = this.random.pick(["before", "after"] as const);
    this.disk.dieAt({ afterCalls, moment });
    // Some machines lose power while they start; that is no reason not to come up later.
    this.trace.add(`to die ${moment} call ${afterCalls}`);
  }

  heal(): void {
    this.#isSick = false;
    this.disk.heal();
    this.state.fault = undefined;
    this.state.delayMs = 0;
  }

  #commitBegan(): () => void {
    this.#tick += 1;
    const began = this.#tick;
    return () => {
      this.#committedAt = Math.max(this.#committedAt, began);
    };
  }

  #seed(): number {
    return this.random.uint32();
  }

  // -- Publishing and consuming ------------------------------------------------------------------

  newEvent(): CloudEvent {
    this.#events += 1;
    const size = this.random.chance(0.1) ? 1200 : this.random.integer(0, 200);
    return {
      id: String(this.#events),
      source: "/simulation",
      type: this.random.pick(types),
      subject: this.random.chance(0.3) ? `subject ${this.#events % 7}` : undefined,
      time: undefined,
      datacontenttype: "application/json",
      dataschema: undefined,
      extensions: noExtensions,
      data: Buffer.from(dataOf(this.#events, size)),
      dataIsImpliedJson: false,
    };
  }

  publish(count: number): Publish {
    const { life, ledger, trace } = this;
    const events = Array.from({ length: count }, () => this.newEvent());
    const publish = ledger.publish(this.lives, events);
    trace.add(`publish ${publish.number}: ${count}`);
    const records = publish.events.map(({ payload }) => ({ payload, hops: 0, facts: undefined }));
    this.running.log.append(records, (failure, first) => {
      // An answer of a process that is dead by now reaches nobody.
      if (life.isOver) return;
      trace.add(`publish ${publish.number} answered ${failure?.code ?? first}`);
      this.#guarded(() => ledger.settled(publish, failure, first));
      if (failure === undefined) this.#noteProved();
    });
    return publish;
  }

  #noteProved(): void {
    const active = this.running.log.segments().at(-1);
    if (active === undefined) return;
    const { first, bytes, provedBytes } = this.#acknowledged;
    if (active.first !== first) {
      this.#acknowledged = { first: active.first, bytes: active.bytes, provedBytes: 0 };
    } else if (active.bytes > bytes) {
      this.#acknowledged = { first, bytes: active.bytes, provedBytes: bytes };
    } else {
      this.#acknowledged = { first, bytes, provedBytes };
    }
  }

  /**
   * Changes a bit where a later group, or a later segment, proves that everything was durable: it
   * may cost the events it hits, reported as a gap, and not one more.
   */
  rot(): void {
    const { random, running, disk, ledger, trace } = this;
    const segments = running.log.segments();
    const segment = random.pick(segments);
    const isActive = segment === segments.at(-1);
    const { first, provedBytes } = this.#acknowledged;
    if (isActive && segment.first !== first) return;
    const end = isActive ? provedBytes : segment.bytes;
    const prefix = `${String(segment.first).padStart(16, "0")}-`;
    const path = disk
      .filesIn(logsRoot)
      .filter((file) => file.endsWith(".log") && file.includes(`/${prefix}`))
      .at(-1);
    if (path === undefined || end <= SEGMENT_DATA_START) return;
    const bit = random.integer(SEGMENT_DATA_START * 8, end * 8 - 1);
    if (bit >= disk.bytesOf(path).length * 8) return;
    ledger.rotted += 1;
    trace.add(`bit ${bit} of ${path} flips`);
    disk.flipBit(path, bit);
  }

  async subscribe(settings: ConsumerSettings): Promise<void> {
    const consumer = new SimulatedConsumer(settings, goodMood, {
      random: new SeededRandom(this.#seed()),
      ledger: this.ledger,
      trace: this.trace,
      now: () => (this.#tick += 1),
      guarded: (work) => this.#guarded(work),
    });
    // The subscription itself is durable before delivery hears of it.
    this.consumers.set(settings.id, consumer);
    const { delivery } = this.running;
    consumer.delivery = delivery;
    const isExcused = this.#excuse();
    await this.until(delivery.add(consumer.plan(this.life))).catch((error: unknown) => {
      if (!isExcused()) throw error;
    });
  }

  /** A new generation of this subscription, from `goal` on. */
  seek(id: string, goal: number): void {
    const consumer = this.consumers.get(id);
    if (consumer === undefined) return;
    const { delivery } = this.running;
    this.trace.add(`${id} seeks ${goal}`);
    const before = delivery.status(id).generation;
    const { life } = this;
    consumer.seekBegins(before + 1, goal);
    this.#inBackground(
      delivery.seek(id, goal).then(() => {
        if (!life.isOver) consumer.seekEnds();
      }),
    );
  }

  pause(id: string, isPaused: boolean): void {
    const consumer = this.consumers.get(id);
    if (consumer === undefined || this.isDead) return;
    this.trace.add(`${isPaused ? "pause" : "resume"} ${id}`);
    consumer.isPaused = isPaused;
    this.running.delivery.update(consumer.plan(this.life));
  }

  /** Somebody decides about a key that is blocked. */
  operate(id: string, decision: BlockedDecision): void {
    if (this.isDead) return;
    const { delivery } = this.running;
    const consumer = this.consumers.get(id);
    const [head] = delivery.status(id).blocked.heads;
    if (consumer === undefined || head === undefined) return;
    this.trace.add(`${id}: ${decision} ${head.offset}`);
    if (decision !== "retry") consumer.operated(head.offset);
    this.#inBackground(delivery.unblock(id, head.offset, decision).then(() => undefined));
  }

  /** The broker stores the pause and tells delivery, both a little later. */
  #gone(id: string, life: Life): void {
    setImmediate(() => {
      if (life.isOver) return;
      if (this.broker === undefined) this.#gone(id, life);
      else this.pause(id, true);
    });
  }

  setMood(id: string, mood: Mood): void {
    this.trace.add(`${id} is ${mood.name}`);
    const consumer = this.consumers.get(id);
    if (consumer !== undefined) consumer.mood = mood;
  }

  /** Retention: what is still wanted is saved, then the log lets go. */
  trim(wanted: number): void {
    if (this.#isTrimming) return;
    this.#isTrimming = true;
    // What was saved and what is let go of must be the same: the log may roll in between.
    const before = this.running.log.trimmable(wanted);
    this.ledger.trimAsked = Math.max(this.ledger.trimAsked, before);
    this.trace.add(`trim ${before}`);
    const { log, delivery } = this.running;
    const { life } = this;
    const work = async (): Promise<void> => {
      // What has rotted away cannot be told from what was forgotten, once it is trimmed.
      if (!(await this.checkLog())) return;
      await delivery.prepareTrim(before);
      await log.trim(before);
    };
    this.#inBackground(
      work().finally(() => {
        if (!life.isOver) this.#isTrimming = false;
      }),
    );
  }

  // -- Time --------------------------------------------------------------------------------------

  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await new Promise((done) => setImmediate(done));
    this.#rethrow();
  }

  async advance(durationMs: number): Promise<void> {
    let left = durationMs;
    while (left > 0) {
      const step = Math.min(left, Math.max(1, this.clock.nextTimerMs ?? left));
      this.clock.advance(step);
      left -= step;
      await this.turns(2);
    }
  }

  /** Waits for work of the broker; gives up, with undefined, when it dies meanwhile. */
  async until<Result>(work: Promise<Result>): Promise<Result | undefined> {
    const { life } = this;
    let isDone = false;
    const done = work.finally(() => (isDone = true));
    done.catch(() => undefined);
    for (let round = 0; !isDone && !life.isOver; round++) {
      await this.turns(1);
      if (round % 20 === 19) await this.advance(this.#untilNextTimer());
      assert(round < 100_000, "the broker never answers");
    }
    return life.isOver ? undefined : await done;
  }

  /** Until nothing is under way any more: every event is settled for everybody. */
  async rest(): Promise<void> {
    let left = restMsMax;
    while (left > 0 && !this.isDead) {
      await this.turns(4);
      // A far end that left while it was asked to come back is asked again.
      for (const [id, consumer] of this.consumers) {
        if (consumer.isPaused) this.pause(id, false);
        if (consumer.settings.ordering?.onFailure === "block") this.operate(id, "retry");
      }
      if (this.#isAtRest()) return;
      const step = this.#untilNextTimer();
      left -= step;
      await this.advance(step);
    }
    assert(this.isDead, `not everything is settled after ${restMsMax} ms (P2, P4)`);
  }

  #untilNextTimer(): number {
    return Math.min(1000, Math.max(1, this.clock.nextTimerMs ?? 1));
  }

  #isAtRest(): boolean {
    if (this.ledger.open > 0 || this.#background.size > 0) return false;
    const { delivery } = this.running;
    return [...this.consumers.keys()].every((id) => delivery.status(id).lag.events === 0);
  }

  // -- Checks ------------------------------------------------------------------------------------

  judge(): void {
    for (const consumer of this.consumers.values()) {
      const status = this.running.delivery.status(consumer.settings.id);
      judgeStep(consumer, status, this.ledger);
    }
  }

  /** All save the witness. */
  ordinary(): string[] {
    return [...this.consumers.keys()].filter((id) => id !== witnessId);
  }

  /** False when the disk did not let it. */
  async checkLog(): Promise<boolean> {
    const { life, random } = this;
    const isExcused = this.#excuse();
    const limit = { records: random.integer(1, 40), bytes: random.integer(1, 6000) };
    const checking = this.ledger.check(this.running.log, limit, () => life.isOver);
    try {
      await this.until(checking);
      return !life.isOver;
    } catch (error) {
      // While the disk fails a read may fail too; then there is nothing to compare.
      if (!isExcused() || (error as { code?: string }).code !== "storage_unavailable") throw error;
      return false;
    }
  }

  async judgeAll(): Promise<void> {
    await this.checkLog();
    const { state, delivery } = this.running;
    for (const [id, consumer] of this.consumers) {
      const query = { subscription: id, limit: 100_000 };
      const letters = await this.until(state.deadLetters(bus, query));
      if (letters === undefined) return;
      const status = delivery.status(id);
      const wanted = letters.map(({ offset }) => offset);
      const first = this.running.log.bounds().first;
      const below = wanted.filter((offset) => offset < first);
      const rescued = await this.until(state.rescued(bus, below));
      judgeAtRest({
        consumer,
        status,
        letters,
        rescued: rescued ?? [],
        below,
        ledger: this.ledger,
      });
    }
  }

  #inBackground(work: Promise<void>): void {
    const { life } = this;
    const isExcused = this.#excuse();
    const owned = work
      .catch((error: unknown) => {
        const { code } = error as { code?: string };
        const isExpected = code === "stopping" || (code !== undefined && isExcused());
        if (!life.isOver && !isExpected) this.#backgroundFailure ??= toError(error);
      })
      .finally(() => this.#background.delete(owned));
    this.#background.add(owned);
  }

  /** A check that fails inside a callback of the broker must not be swallowed by it. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#backgroundFailure ??= toError(error);
    }
  }

  #rethrow(): void {
    if (this.#backgroundFailure !== undefined) throw this.#backgroundFailure;
  }
}

function dataOf(number: number, fillBytes: number): string {
  return `{"n":${number},"account":${number % accounts},"fill":"${"x".repeat(fillBytes)}"}`;
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
