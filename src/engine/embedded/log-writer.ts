import { assert } from "../../kernel/assert.ts";
import type { Clock, Disposable, EpochMs } from "../../kernel/clock.ts";
import type { ErrorCode } from "../../kernel/error-codes.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { AppendCallback, EncodedRecord } from "../engine.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { GroupQueue } from "./group-queue.ts";
import type { LogShare } from "./log-share.ts";
import type { PendingGroup } from "./pending-group.ts";
import type { SegmentList } from "./segments.ts";
import { createSegment } from "./segments.ts";
import type { TailCache } from "./tail-cache.ts";
import { closeQuietly, codeOfFailedWrite, hasHeadroom, refusalFor } from "./write-failure.ts";

export interface LogWriterOptions {
  readonly directory: string;
  readonly bus: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly share: LogShare;
  readonly segments: SegmentList;
  readonly cache: TailCache;
  readonly logId: Buffer;
  readonly segmentBytesMax: number;
  readonly rollAfterMs: number | undefined;
  /** The newest append time there is; 0 when there is none. */
  readonly lastTime: EpochMs;
  /** The largest number a segment of this log has had. */
  readonly lastNumber: number;
  /** Whether a closing marker, or an empty segment, says that everything is durable. */
  readonly isMarked: boolean;
  /** The active segment is damaged inside: nothing is appended to it. */
  readonly mustRoll: boolean;
}

/**
 * Group commit: what is appended while one group is written and synced makes up the next. The
 * running sync is the batching window; there is no timer.
 *
 * - `idle`: nothing waits. `append` moves it to `scheduled`.
 * - `scheduled`: the group is written when the current turn of the event loop has ended.
 * - `writing`: one group is on its way to the disk; its callback moves on.
 * - `preparing`: the file is opened, a new segment is made, or a failed one is left behind.
 *
 * Beside these, a `#refusal` stands while the disk takes nothing: appends are refused with it, and
 * a probe makes a new segment once there is room. A file whose write or sync has failed is never
 * written again: after a failed `fdatasync` the kernel may call pages clean that never reached the
 * disk, and would say yes to a second try.
 */
export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #queue: GroupQueue;
  readonly #listeners = new Set<(next: Offset) => void>();
  readonly #healthListeners = new Set<(refusal: BrokerError | undefined) => void>();
  readonly #idleWaiters: (() => void)[] = [];
  #state: "idle" | "scheduled" | "writing" | "preparing" = "idle";
  #file: DiskFile | undefined;
  #group: PendingGroup | undefined;
  #writtenTo = 0;
  #lastNumber: number;
  #mustRoll: boolean;
  #isMarked: boolean;
  #isClosing = false;
  #refusal: BrokerError | undefined;
  #rollAfterMs: number | undefined;
  #markerTimer: Disposable | undefined;
  #rollTimer: Disposable | undefined;
  #probeTimer: Disposable | undefined;
  #commits = 0;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#queue = new GroupQueue(options.bus, options.lastTime);
    this.#lastNumber = options.lastNumber;
    this.#mustRoll = options.mustRoll;
    this.#isMarked = options.isMarked;
    this.#rollAfterMs = options.rollAfterMs;
    if (!options.isMarked) this.#armMarker();
    this.#armRoll();
  }

  /** Why appends are refused at the moment. */
  get refusal(): BrokerError | undefined {
    return this.#refusal;
  }

  append(records: readonly EncodedRecord[], settled: AppendCallback): void {
    const { clock, bus } = this.#options;
    const refusal = this.#isClosing
      ? new BrokerError("stopping", `bus ${bus} is closing`)
      : (this.#refusal ?? this.#queue.add(records, clock.now(), settled));
    if (refusal === undefined) this.#schedule();
    else queueMicrotask(() => settled(refusal, -1));
  }

  #schedule(): void {
    if (this.#state !== "idle") return;
    this.#state = "scheduled";
    // An immediate runs after all sockets of this turn were read, so that every request that has
    // arrived shares the first sync; a microtask would sync the first one alone.
    setImmediate(() => {
      if (this.#state !== "scheduled") return;
      this.#state = "idle";
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#state === "writing" || this.#state === "preparing") return;
    const group = this.#queue.first;
    if (group === undefined && (!this.#mustRoll || this.#isClosing)) {
      this.#rest();
    } else if (group === undefined || this.#file === undefined || this.#shouldRoll(group)) {
      this.#state = "preparing";
      void this.#prepare();
    } else {
      this.#queue.take();
      this.#write(group, this.#file);
    }
  }

  #rest(): void {
    this.#state = "idle";
    if (!this.#isMarked) this.#armMarker();
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #shouldRoll(group: PendingGroup): boolean {
    if (this.#mustRoll) return true;
    // A closing marker is no reason to begin a new segment.
    const active = this.#options.segments.active;
    if (group.records === 0 || active.next === active.first) return false;
    return active.bytes + group.bytes > this.#options.segmentBytesMax;
  }

  #write(group: PendingGroup, file: DiskFile): void {
    const { segments, clock } = this.#options;
    const { active } = segments;
    assert(active.identity !== undefined, "the active segment has a valid header");
    const { identity, next: first } = active;
    group.seal({ identity, first, time: this.#queue.tick(clock.now()) });
    this.#state = "writing";
    this.#group = group;
    this.#writtenTo = group.start;
    this.#writeRest(group, file);
  }

  #writeRest(group: PendingGroup, file: DiskFile): void {
    const { buffer, start, end } = group;
    const position = this.#options.segments.active.bytes + this.#writtenTo - start;
    file.write({ buffer, start: this.#writtenTo, end, position }, this.#onWritten);
  }

  readonly #onWritten = (failure: Error | undefined, written: number): void => {
    const { file, group } = this.#inFlight();
    if (failure !== undefined) return this.#fail(group, failure, codeOfFailedWrite(failure));
    if (written === 0) {
      const nothing = new Error("the disk took no byte and gave no reason");
      return this.#fail(group, nothing, "storage_unavailable");
    }
    this.#writtenTo += written;
    if (this.#writtenTo < group.end) this.#writeRest(group, file);
    else file.dataSync(this.#onSynced);
  };

  readonly #onSynced = (failure: Error | undefined): void => {
    const { group } = this.#inFlight();
    if (failure !== undefined) this.#fail(group, failure, "outcome_unknown");
    else this.#commit(group);
  };

  #inFlight(): { readonly file: DiskFile; readonly group: PendingGroup } {
    const file = this.#file;
    const group = this.#group;
    assert(file !== undefined && group !== undefined, "a group is being written");
    return { file, group };
  }

  #commit(group: PendingGroup): void {
    const { active } = this.#options.segments;
    const first = active.next;
    const next = first + group.records;
    if (group.records > 0) this.#publish(group, first);
    active.bytes += group.bytes;
    active.next = next;
    this.#isMarked = group.records === 0;
    this.#queue.leave(group);
    this.#commits += 1;
    this.#group = undefined;
    this.#state = "idle";
    // The disk gets its next group before the callbacks run, so that both work at once.
    this.#flush();
    group.settle(undefined, first);
    if (group.records === 0) return;
    for (const listener of this.#listeners) listener(next);
  }

  #publish(group: PendingGroup, first: Offset): void {
    const { cache, segments } = this.#options;
    const { active } = segments;
    const { buffer, start, end } = group;
    cache.add({ buffer, start, end, first, next: first + group.records });
    group.extendIndex(active.index, { first, position: active.bytes });
    active.lastTime = group.lastTime;
    if (active.firstTime !== undefined) return;
    active.firstTime = group.firstTime;
    this.#armRoll();
  }

  #fail(group: PendingGroup, failure: Error, code: ErrorCode): void {
    const { bus, logger, segments } = this.#options;
    const file = segments.active.path;
    logger.error({ bus, file, code, failure: failure.message, events: group.records }, LEFT_BEHIND);
    this.#state = "preparing";
    this.#mustRoll = true;
    this.#group = undefined;
    this.#queue.leave(group);
    void this.#leaveSegment(code, failure);
    group.settle(refusalFor(bus, code, failure), -1);
  }

  /** Cuts off what the failed group left, as far as the disk lets us, and goes on elsewhere. */
  async #leaveSegment(code: ErrorCode, failure: Error): Promise<void> {
    const { segments, logger, bus } = this.#options;
    const file = this.#file;
    this.#file = undefined;
    try {
      // Readers never see those bytes anyway. But if the process dies before the next segment is
      // made, the next start would read them from the page cache and take them for stored.
      await file?.truncate(segments.active.bytes);
    } catch (thrown) {
      logger.warn({ bus, failure: String(thrown) }, "the failed group could not be cut off");
    }
    await closeQuietly(file);
    if (code === "disk_full") this.#refuse(refusalFor(bus, code, failure));
    else await this.#prepare();
  }

  /** Opens the active segment for writing, or makes the next one. */
  async #prepare(): Promise<void> {
    const { disk, segments, bus } = this.#options;
    try {
      const group = this.#queue.first;
      const isFull = group !== undefined && this.#shouldRoll(group);
      if (this.#mustRoll || isFull) await this.#roll();
      else this.#file = await disk.open(segments.active.path, "write");
    } catch (thrown) {
      // Whether the new segment exists is unknown: if it does, the old one ends before it.
      this.#mustRoll = true;
      this.#refuse(refusalFor(bus, codeOfFailedWrite(thrown), thrown));
      return;
    }
    this.#accept();
    this.#state = "idle";
    this.#flush();
  }

  async #roll(): Promise<void> {
    const { disk, directory, segments, clock, logId, share } = this.#options;
    const old = segments.active;
    const first = old.next;
    this.#lastNumber += 1;
    const { segment, file } = await createSegment(disk, directory, {
      number: this.#lastNumber,
      first,
      previousNext: first,
      previousTime: this.#queue.lastTime,
      created: Math.max(0, Math.floor(clock.now())),
      logId,
    });
    segments.add(segment);
    const left = this.#file;
    this.#file = file;
    this.#mustRoll = false;
    this.#isMarked = true;
    this.#rollTimer?.dispose();
    await closeQuietly(left);
    if (old.first < segment.first) return;
    // The old segment holds no record; a file that cannot be removed now does no harm.
    segments.remove(old);
    share.files.forget(old.path);
    await Promise.allSettled([disk.unlink(old.path)]);
  }

  #accept(): void {
    if (this.#refusal === undefined) return;
    this.#refusal = undefined;
    this.#options.logger.info({ bus: this.#options.bus }, "the disk takes events again");
    for (const listener of this.#healthListeners) listener(undefined);
  }

  /** Refuses what waits and what comes, until a probe finds that the disk takes events again. */
  #refuse(refusal: BrokerError): void {
    const { bus, logger, clock } = this.#options;
    if (this.#refusal === undefined) logger.error({ bus, code: refusal.code }, refusal.message);
    this.#refusal = refusal;
    this.#state = "idle";
    const refused = this.#queue.clear();
    if (!this.#isClosing) {
      this.#probeTimer = clock.after(limits.diskRetryMs, () => void this.#probe());
    }
    for (const group of refused) group.settle(refusal, -1);
    for (const listener of this.#healthListeners) listener(refusal);
    this.#rest();
  }

  async #probe(): Promise<void> {
    const { disk, directory } = this.#options;
    const refusal = this.#refusal;
    if (refusal === undefined || this.#isClosing || this.#state !== "idle") return;
    this.#state = "preparing";
    if (refusal.code === "disk_full" && !(await hasHeadroom(disk, directory))) {
      this.#refuse(refusal);
      return;
    }
    await this.#prepare();
  }

  onAdvance(listener: (next: Offset) => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  onHealth(listener: (refusal: BrokerError | undefined) => void): Disposable {
    this.#healthListeners.add(listener);
    return { dispose: () => this.#healthListeners.delete(listener) };
  }

  /** A segment whose first record gets older than this makes way for a new one. */
  setRollAfter(rollAfterMs: number | undefined): void {
    this.#rollAfterMs = rollAfterMs;
    this.#armRoll();
  }

  #armRoll(): void {
    this.#rollTimer?.dispose();
    const { segments, clock } = this.#options;
    const { firstTime } = segments.active;
    if (this.#rollAfterMs === undefined || firstTime === undefined || this.#isClosing) return;
    const leftMs = firstTime + this.#rollAfterMs - clock.now();
    this.#rollTimer = clock.after(Math.min(this.#rollAfterMs, leftMs), () => this.#rollByAge());
  }

  #rollByAge(): void {
    if (this.#refusal !== undefined || this.#isClosing) return;
    this.#mustRoll = true;
    if (this.#state !== "idle") return;
    this.#state = "preparing";
    void this.#prepare();
  }

  /** Half the delay, because a timer that finds a fresh group waits for once more. */
  #armMarker(): void {
    if (this.#markerTimer !== undefined || this.#isClosing) return;
    const seen = this.#commits;
    this.#markerTimer = this.#options.clock.after(limits.closingMarkerDelayMs / 2, () => {
      this.#markerTimer = undefined;
      if (this.#isMarked) return;
      if (this.#commits !== seen) this.#armMarker();
      else this.#mark();
    });
  }

  /** An empty group whose header says that everything before it is durable. */
  #mark(): void {
    const isResting = this.#state === "idle" && this.#queue.first === undefined;
    if (!isResting || this.#isMarked || this.#mustRoll || this.#refusal !== undefined) return;
    this.#queue.addMarker();
    this.#flush();
  }

  /** Resolves when nothing is on its way to the disk. */
  #idle(): Promise<void> {
    if (this.#state === "idle" && this.#queue.first === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Stores what was appended, writes the closing marker, lets go of the file. Idempotent. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#probeTimer?.dispose();
    this.#rollTimer?.dispose();
    this.#markerTimer?.dispose();
    await this.#idle();
    this.#mark();
    await this.#idle();
    const file = this.#file;
    this.#file = undefined;
    await closeQuietly(file);
  }
}

const LEFT_BEHIND = "a write or sync failed; the log leaves this segment and goes on in a new one";
