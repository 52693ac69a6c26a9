import type { OpenSink } from "../connector/sink.ts";
import type { DeadLetterState, LetterPlace } from "../engine/engine.ts";
import type { Disposable } from "../kernel/clock.ts";
import { toBrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { AsideSender } from "./aside-sender.ts";
import type { Consumer } from "./consumer.ts";
import { countLetter } from "./generations.ts";
import type { LetterDeskParts } from "./letter-desk-parts.ts";
import { letterRetry } from "./letter-retry.ts";
import { endReplay, isReplayExhausted, replayParked, replaySent } from "./replay.ts";
import type { Replay, ReplayEnd } from "./replay.ts";
import { TokenBucket } from "./token-bucket.ts";

/** The next letters of a selection, and how far it is when they are taken up. */
interface NextLetters {
  readonly letters: readonly DeadLetterState[];
  /** Names of the list that have no letter any more. */
  readonly missing: number;
  readonly isEnd: boolean;
}

/**
 * Carries out one replay, in steps: each reads a few letters, takes them up and commits, letters,
 * parked rows and the progress of the replay together. Letters of the current generation are parked
 * in the subscription; what is for another sink, or of an earlier generation, it sends itself.
 *
 * States: idle (between two ticks) → stepping → idle …; stopped, by stop or at the end of the replay.
 */
export class Redriver {
  readonly replay: Replay;
  readonly #parts: LetterDeskParts;
  readonly #bucket: TokenBucket;
  readonly #aside: AsideSender;
  #sink: OpenSink | undefined;
  #timer: Disposable | undefined;
  #isStepping = false;
  #isAtEnd = false;
  #isStopped = false;

  constructor(replay: Replay, parts: LetterDeskParts) {
    this.replay = replay;
    this.#parts = parts;
    const { ratePerSecond } = replay;
    this.#bucket = new TokenBucket(parts.clock, ratePerSecond ?? Number.POSITIVE_INFINITY);
    this.#aside = new AsideSender(parts);
  }

  start(): void {
    this.#timer = this.#parts.clock.every(limits.replayTickMs, () => this.#tick());
    this.#tick();
  }

  /** What it has parked goes on without it. Idempotent. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#timer?.dispose();
    this.#aside.stop();
    this.#sink?.close().catch((error: unknown) => {
      this.#parts.logger.warn({ error: String(error) }, "the sink of a redrive did not close");
    });
  }

  #tick(): void {
    if (this.#isStepping || this.#isStopped) return;
    this.#isStepping = true;
    this.#run().then(
      () => {
        this.#isStepping = false;
      },
      (thrown: unknown) => {
        this.#isStepping = false;
        this.#onFault(thrown);
      },
    );
  }

  async #run(): Promise<void> {
    while (!this.#isStopped && (await this.#step()));
  }

  /** Answers whether another step may follow at once. */
  async #step(): Promise<boolean> {
    const { replay } = this;
    if (this.#isAtEnd || isReplayExhausted(replay)) return this.#finish();
    const wanted = Math.min(limits.deadLetterStepLetters, this.#bucket.available());
    if (wanted < 1 || this.#room() < 1) return false;
    const next = await this.#next(wanted);
    if (this.#isStopped || replay.end !== undefined) return false;
    if (next.isEnd) {
      this.#isAtEnd = true;
      return true;
    }
    const room = this.#room();
    if (room < 1) return false;
    const taken = await this.#takeUp(next, room);
    this.#bucket.spend(taken);
    return taken > 0;
  }

  async #finish(): Promise<boolean> {
    if (this.replay.counts.waiting > 0) return false;
    await this.end("done", null);
    return false;
  }

  async end(as: ReplayEnd, reason: string | null): Promise<void> {
    const { subscription } = this.replay;
    const { clock } = this.#parts;
    if (this.replay.end === undefined) {
      endReplay(this.replay, { as, reason, at: clock.now() });
      this.#parts.committer().changed(this.#parts.consumer(subscription));
    }
    this.stop();
    await this.#parts.committer().flush();
  }

  /** How many letters may be taken up now; none while nobody can be sent to. */
  #room(): number {
    const consumer = this.#parts.consumer(this.replay.subscription);
    if (this.replay.sink === undefined && (consumer.isPaused || consumer.isCut)) return 0;
    // Half of the places stay with the events that come from the log.
    const places = limits.parkedMax / 2 - consumer.retries.size;
    return Math.min(limits.replayWaitingMax - this.replay.counts.waiting, places);
  }

  async #next(wanted: number): Promise<NextLetters> {
    const { bus, store } = this.#parts;
    const { selection, subscription, place, counts } = this.replay;
    // A clock that was set back must not make it take up for ever what dies again.
    if (counts.redriven >= counts.total) return { letters: [], missing: 0, isEnd: true };
    if ("filter" in selection) {
      const { filter } = selection;
      const after = place === undefined ? {} : { afterPlace: place };
      const query = { subscription, filter, limit: wanted, ...after };
      const letters = await store.deadLetters(bus, query);
      return { letters, missing: 0, isEnd: letters.length === 0 };
    }
    const name = selection.letters[this.replay.nextName] ?? "";
    const letter = await store.deadLetter(bus, subscription, name);
    if (letter === undefined) return { letters: [], missing: 1, isEnd: false };
    return { letters: [letter], missing: 0, isEnd: false };
  }

  async #takeUp({ letters, missing }: NextLetters, room: number): Promise<number> {
    const consumer = this.#parts.consumer(this.replay.subscription);
    const [first] = letters;
    if (first === undefined) {
      replaySent(this.replay, "other");
      this.#advance(undefined);
      await this.#commit(consumer);
      return missing;
    }
    // The first ones of one kind: the place has to move over all that are taken up, in order.
    const isAside = this.#isAside(consumer, first);
    const end = letters.findIndex((letter) => this.#isAside(consumer, letter) !== isAside);
    const alike = end < 0 ? letters : letters.slice(0, end);
    if (!isAside) return this.#park(consumer, alike.slice(0, room));
    const sends = Math.min(limits.replaySendsMax, consumer.plan.concurrency);
    return this.#send(consumer, alike.slice(0, sends));
  }

  #isAside(consumer: Consumer, letter: DeadLetterState): boolean {
    return this.replay.sink !== undefined || letter.generation !== consumer.generation;
  }

  /** In one turn and one commit: the letters go, their events are parked and due at once. */
  async #park(consumer: Consumer, letters: readonly DeadLetterState[]): Promise<number> {
    const { time, log, wake } = this.#parts;
    const committer = this.#parts.committer();
    const now = time.now();
    for (const letter of letters) {
      this.#advance(letter);
      if (committer.isLetterDeleted(letter)) continue;
      consumer.redrive(
        letter.offset,
        letterRetry(letter, { consumer, log, now, replay: this.replay.id }),
      );
      consumer.endings.forget(letter.letter);
      committer.deleteLetter(letter);
      replayParked(this.replay);
    }
    wake(consumer);
    await this.#commit(consumer);
    return letters.length;
  }

  /** Each letter stays until its event is delivered; a crash may send the last few again. */
  async #send(before: Consumer, letters: readonly DeadLetterState[]): Promise<number> {
    const { bus, store } = this.#parts;
    const committer = this.#parts.committer();
    const { sink, subscription } = this.replay;
    this.#sink ??= sink === undefined ? undefined : this.#parts.openSink(sink);
    const results = await Promise.all(
      letters.map((letter) => this.#aside.send(letter, { plan: before.plan, sink: this.#sink })),
    );
    if (this.#isStopped && results.includes("stopped")) return 0;
    for (const [index, letter] of letters.entries()) {
      const result = results[index] ?? "dead";
      this.#advance(letter);
      replaySent(this.replay, result === "stopped" ? "dead" : result);
      if (result !== "delivered") continue;
      const stored = await store.deadLetter(bus, subscription, letter.letter);
      if (stored === undefined || committer.isLetterDeleted(letter)) continue;
      const consumer = this.#parts.consumer(subscription);
      countLetter(consumer, letter, sink === undefined ? "delivered" : "discarded");
      committer.deleteLetter(letter);
    }
    await this.#commit(this.#parts.consumer(subscription));
    return letters.length;
  }

  #advance(letter: LetterPlace | undefined): void {
    const { replay } = this;
    if ("letters" in replay.selection) replay.nextName += 1;
    else if (letter !== undefined) replay.place = { time: letter.time, letter: letter.letter };
    replay.isChanged = true;
  }

  async #commit(consumer: Consumer): Promise<void> {
    const committer = this.#parts.committer();
    committer.changed(consumer);
    await committer.flush();
  }

  #onFault(thrown: unknown): void {
    const error = toBrokerError(thrown);
    const { id, subscription } = this.replay;
    const fields = { bus: this.#parts.bus, subscription, replay: id, error: error.message };
    if (error.code === "subscription_not_found" || error.code === "stopping") {
      this.stop();
      return;
    }
    if (error.code === "internal") {
      this.#parts.logger.error(fields, "a redrive cannot go on");
      this.end("failed", error.message).catch(() => this.stop());
      return;
    }
    // The store may come back: the next tick tries again.
    this.#parts.logger.error(fields, "a redrive is interrupted; it is tried again");
  }
}
