import type { Retention } from "../api/api.ts";
import type { SegmentFacts } from "../engine/engine.ts";
import type { Clock, Disposable, EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Buses, RunningBus } from "./buses.ts";
import { parseDuration } from "./durations.ts";

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
  readonly #wallAtStart: EpochMs;
  readonly #monotonicAtStart: number;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #hasWarned = false;
  /** When age deleted something last while the clocks disagreed, on the monotonic clock. */
  readonly #slowDeletions: Map<string, number> = new Map<string, number>();

  constructor(options: RetentionOptions) {
    this.#options = options;
    const { clock } = options;
    this.#wallAtStart = clock.now();
    this.#monotonicAtStart = clock.monotonic();
    this.#timer = clock.every(limits.retentionIntervalMs, () => void this.run());
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
    const retention = this.#options.buses.retention(bus.name);
    if (retention === undefined) return;
    const segments = bus.log.segments();
    const byAge = expiredByAge(segments, retention, this.#options.clock.now());
    const wanted = Math.max(
      this.#areClocksWild() ? this.#slowly(bus, segments, byAge) : byAge,
      expiredByBytes(segments, retention),
    );
    const before = bus.log.trimmable(wanted);
    if (before <= bus.log.bounds().first) return;
    await bus.delivery.prepareTrim(before);
    await bus.log.trim(before);
    this.#options.logger.debug({ bus: bus.name, before }, "retention deleted events");
  }

  /** A clock that was set, or is going wild, would otherwise delete years of events at once. */
  #areClocksWild(): boolean {
    const { clock, logger } = this.#options;
    const wall = clock.now() - this.#wallAtStart;
    const monotonic = clock.monotonic() - this.#monotonicAtStart;
    const isWild = Math.abs(wall - monotonic) > limits.clockDisagreementMsMax;
    if (isWild && !this.#hasWarned) {
      this.#hasWarned = true;
      const fields = { disagreementMs: Math.round(wall - monotonic) };
      logger.warn(fields, "the wall clock jumped; retention by age goes on one segment a minute");
    }
    return isWild;
  }

  /** At most one segment a bus and minute. */
  #slowly(bus: RunningBus, segments: readonly SegmentFacts[], byAge: Offset): Offset {
    const oldest = segments[0];
    if (oldest === undefined || byAge <= oldest.first) return 0;
    const now = this.#options.clock.monotonic();
    const last = this.#slowDeletions.get(bus.name) ?? this.#monotonicAtStart;
    if (now - last < limits.clockDisagreementMsMax) return 0;
    this.#slowDeletions.set(bus.name, now);
    return Math.min(byAge, oldest.next);
  }
}

/** The offset below which every segment is older than maxAge. The active segment stays. */
export function expiredByAge(
  segments: readonly SegmentFacts[],
  retention: Retention,
  now: EpochMs,
): Offset {
  const maxAgeMs = retention.maxAge === null ? undefined : parseDuration(retention.maxAge);
  let before = 0;
  if (maxAgeMs === undefined) return before;
  for (const segment of segments) {
    const isOld = segment.lastTime === undefined || segment.lastTime < now - maxAgeMs;
    if (!isOld) return before;
    before = segment.next;
  }
  return before;
}

/** The offset below which segments must go so that the rest has at most maxBytes. */
export function expiredByBytes(segments: readonly SegmentFacts[], retention: Retention): Offset {
  if (retention.maxBytes === null) return 0;
  let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  let before = 0;
  for (const segment of segments.slice(0, -1)) {
    if (bytes <= retention.maxBytes) return before;
    bytes -= segment.bytes;
    before = segment.next;
  }
  return before;
}
