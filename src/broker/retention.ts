import type { Retention } from "../api/api.ts";
import type { SegmentFacts } from "../engine/engine.ts";
import type { Clock, Disposable } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Buses, RunningBus } from "./buses.ts";
import { parseDuration } from "./durations.ts";
import { AgeJudge } from "./retention-age.ts";
import type { Moment } from "./retention-age.ts";
import { expiredByBytes } from "./retention-rules.ts";

export interface RetentionOptions {
  readonly buses: Buses;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Deletes what is older or more than a bus keeps, in whole segments. First the delivery saves what
 * is still wanted of them, then the log lets go.
 */
export class RetentionKeeper {
  readonly #options: RetentionOptions;
  readonly #timer: Disposable;
  readonly #start: Moment;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #hasWarned = false;
  /** A bus that was deleted and made again is another one. */
  readonly #judges: WeakMap<RunningBus, AgeJudge> = new WeakMap<RunningBus, AgeJudge>();

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#start = momentOf(options.clock);
    this.#timer = options.clock.every(limits.retentionIntervalMs, () => void this.run());
  }

  /** One round over all buses; a round that is still running is joined, not doubled. */
  run(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    this.#running ??= this.#round().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer.dispose();
    await this.#running;
  }

  async #round(): Promise<void> {
    for (const bus of this.#options.buses.all()) {
      if (this.#isStopped) return;
      try {
        await this.#keep(bus);
      } catch (error) {
        const fields = { bus: bus.name, error: String(error) };
        this.#options.logger.error(fields, "retention failed on this bus; it is tried again");
      }
    }
  }

  async #keep(bus: RunningBus): Promise<void> {
    const { buses, logger, clock } = this.#options;
    const retention = buses.retention(bus.name);
    if (retention === undefined) return;
    const segments = bus.log.segments();
    const tooOld = this.#tooOldBefore(bus, segments, retention);
    bus.unread.aged(tooOld);
    const wanted = Math.max(tooOld, expiredByBytes(segments, retention));
    const before = bus.log.trimmable(Math.min(wanted, bus.delayed.neededFrom));
    const { first } = bus.log.bounds();
    if (before <= first) return;
    const { keepUnread } = retention;
    const cut = await bus.delivery.prepareTrim(before, { keepUnread });
    if (cut <= first) return;
    await bus.log.trim(cut);
    this.#judges.get(bus)?.deleted(clock.monotonic());
    logger.debug({ bus: bus.name, before: cut }, "retention deleted events");
  }

  #tooOldBefore(bus: RunningBus, segments: readonly SegmentFacts[], retention: Retention): Offset {
    const maxAgeMs = retention.maxAge === null ? undefined : parseDuration(retention.maxAge);
    if (maxAgeMs === undefined) return 0;
    const now = momentOf(this.#options.clock);
    let judge = this.#judges.get(bus);
    if (judge === undefined) {
      judge = new AgeJudge(bus.opened);
      this.#judges.set(bus, judge);
    }
    const areClocksTrusted = this.#areClocksTrusted(now);
    return judge.tooOldBefore(segments, { ...now, maxAgeMs, areClocksTrusted });
  }

  #areClocksTrusted(now: Moment): boolean {
    const wallMs = now.wall - this.#start.wall;
    const disagreementMs = wallMs - (now.monotonic - this.#start.monotonic);
    const isTrusted = Math.abs(disagreementMs) <= limits.clockDisagreementMsMax;
    if (!isTrusted && !this.#hasWarned) {
      this.#hasWarned = true;
      const fields = { disagreementMs: Math.round(disagreementMs) };
      const message =
        "the wall clock jumped; retention by append time goes on one segment a minute";
      this.#options.logger.warn(fields, message);
    }
    return isTrusted;
  }
}

function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}
