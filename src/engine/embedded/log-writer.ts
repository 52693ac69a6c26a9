import { assert } from "../../kernel/assert.ts";
import type { Disposable, EpochMs } from "../../kernel/clock.ts";
import type { ErrorCode } from "../../kernel/error-codes.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { Offset } from "../../kernel/ids.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { AppendCallback, EncodedRecord, FsyncMode } from "../engine.ts";
import { BackgroundSync } from "./background-sync.ts";
import type { DiskFile } from "./disk.ts";
import { GroupQueue } from "./group-queue.ts";
import { MarkerTimer, RollTimer } from "./log-timers.ts";
import type { OffsetReservation } from "./offset-reservation.ts";
import type { PendingGroup } from "./pending-group.ts";
import type { SegmentTurn } from "./segment-turn.ts";
import { beginSegment, dropEmpty, reopenActive } from "./segment-turn.ts";
import type { Segment } from "./segments.ts";
import type { TailCache } from "./tail-cache.ts";
import {
  closeQuietly,
  codeOfFailedWrite,
  hasHeadroom,
  refusalFor,
  withRelief,
} from "./write-failure.ts";
import { WriteRefusal } from "./write-refusal.ts";

export interface LogWriterOptions extends SegmentTurn {
  readonly bus: string;
  readonly logger: Logger;
  readonly fsync: FsyncMode;
  /** Used unless `fsync` is `always`. */
  readonly reservation: OffsetReservation;
  readonly cache: TailCache;
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
  /** The segment will not be appended to any more; it is whole unless its keys are unknown. */
  readonly onSealed: (segment: Segment) => void;
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
 * With `fsync: always` a group's callbacks run after its sync. Otherwise they run after its write,
 * `#syncs` catches up behind, and only offsets are given that were durably reserved before.
 *
 * Beside these, a refusal stands while the disk takes nothing: appends are refused with it, and
 * a probe makes a new segment once there is room. A file whose write or sync has failed is never
 * written again: after a failed `fdatasync` the kernel may call pages clean that never reached the
 * disk, and would say yes to a second try.
 */
export class LogWriter {
  readonly #options: LogWriterOptions;
  readonly #queue: GroupQueue;
  /** Undefined with `fsync: always`. */
  readonly #syncs: BackgroundSync | undefined;
  readonly #listeners = new Set<(next: Offset) => void>();
  readonly #refusal: WriteRefusal;
  readonly #marker: MarkerTimer;
  readonly #rollTimer: RollTimer;
  readonly #idleWaiters: (() => void)[] = [];
  #state: "idle" | "scheduled" | "writing" | "preparing" = "idle";
  #file: DiskFile | undefined;
  #group: PendingGroup | undefined;
  #writtenTo = 0;
  #lastNumber: number;
  #mustRoll: boolean;
  #rollBytes: number;
  #isMarked: boolean;
  #isClosing = false;
  #commits = 0;

  constructor(options: LogWriterOptions) {
    this.#options = options;
    const { clock } = options;
    this.#queue = new GroupQueue(options.bus, options.lastTime);
    this.#refusal = new WriteRefusal({ ...options, probe: () => void this.#probe() });
    this.#marker = new MarkerTimer({
      clock,
      commits: () => this.#commits,
      mark: () => this.#mark(),
    });
    this.#rollTimer = new RollTimer(clock, options.rollAfterMs, () => this.#rollByAge());
    this.#syncs = this.#createSyncs();
    this.#lastNumber = options.lastNumber;
    this.#mustRoll = options.mustRoll;
    this.#rollBytes = options.segmentBytesMax;
    this.#isMarked = options.isMarked;
    if (!options.isMarked) this.#marker.arm();
    this.#rollTimer.arm(options.segments.active.firstTime);
  }

  /** Why appends are refused at the moment. */
  get refusal(): BrokerError | undefined {
    return this.#refusal.current;
  }

  append(records: readonly EncodedRecord[], settled: AppendCallback): void {
    const { clock, bus, share } = this.#options;
    const refusal = this.#isClosing
      ? new BrokerError("stopping", `bus ${bus} is closing`)
      : (this.refusal ?? share.space?.refusal ?? this.#queue.add(records, clock.now(), settled));
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
    } else if (group === undefined || this.#file === undefined || this.#mustPrepare(group)) {
      this.#state = "preparing";
      void this.#prepare();
    } else {
      this.#queue.take();
      this.#write(group, this.#file);
    }
  }

  #rest(): void {
    this.#state = "idle";
    if (!this.#isMarked) this.#marker.arm();
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #mustPrepare(group: PendingGroup): boolean {
    if (this.#shouldRoll(group)) return true;
    const next = this.#options.segments.active.next + group.records;
    return group.records > 0 && this.#syncs?.covers(next) === false;
  }

  #shouldRoll(group: PendingGroup): boolean {
    if (this.#mustRoll) return true;
    // A closing marker is no reason to begin a new segment.
    const active = this.#options.segments.active;
    if (group.records === 0 || active.next === active.first) return false;
    return active.bytes + group.bytes > this.#rollBytes;
  }

  #write(group: PendingGroup, file: DiskFile): void {
    const { segments, clock } = this.#options;
    const { active } = segments;
    assert(active.identity !== undefined, "the active segment has a valid header");
    const { identity, next: first } = active;
    const durableTo = this.#syncs?.durableTo ?? first;
    group.seal({ identity, first, durableTo, time: this.#queue.tick(clock.now()) });
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
    else if (this.#syncs === undefined) file.dataSync(this.#onSynced);
    // After a failed sync nothing more is acknowledged out of this file.
    else if (this.#syncs.failure === undefined) this.#commit(group);
    else this.#fail(group, this.#syncs.failure, "outcome_unknown");
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
    if (group.records > 0 && this.#file !== undefined) this.#syncs?.wrote(this.#file, next);
    this.#options.share.space?.wrote(group.bytes);
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
    if (group.hasKeys) active.keys = "some";
    active.lastTime = group.lastTime;
    if (active.firstTime !== undefined) return;
    active.firstTime = group.firstTime;
    this.#rollTimer.arm(group.firstTime);
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
    const { segments, logger, bus, share } = this.#options;
    const file = this.#file;
    segments.active.giveUpFooter();
    try {
      // Readers never see those bytes anyway. But if the process dies before the next segment is
      // made, the next start would read them from the page cache and take them for stored.
      await file?.truncate(segments.active.bytes);
    } catch (thrown) {
      logger.warn({ bus, failure: String(thrown) }, "the failed group could not be cut off");
    }
    await this.#finishSyncs();
    this.#file = undefined;
    await closeQuietly(file);
    if (code === "disk_full") {
      this.#refuse(refusalFor(bus, code, failure));
      void share.space?.measure();
    } else await this.#prepare();
  }

  /** Opens the active segment for writing, or makes the next one; reserves offsets. */
  async #prepare(): Promise<void> {
    const { segments, bus, share } = this.#options;
    let isStanding = false;
    try {
      const group = this.#queue.first;
      const isFull = group !== undefined && this.#shouldRoll(group);
      if (this.#mustRoll || isFull) {
        await this.#finishSyncs();
        // Once a segment is sealed, retention can delete it: on a full disk it gets the reserve.
        const relieve = group === undefined ? share.space?.relieve : undefined;
        await withRelief(relieve, () => this.#roll());
      } else this.#file ??= await reopenActive(this.#options);
      isStanding = true;
      const records = group?.records ?? 0;
      if (records > 0) await this.#syncs?.reserve(segments.active.next + records);
    } catch (thrown) {
      // Whether a new segment exists is unknown: if it does, the old one ends before it.
      if (!isStanding) this.#mustRoll = true;
      this.#refuse(refusalFor(bus, codeOfFailedWrite(thrown), thrown));
      void share.space?.measure();
      return;
    }
    this.#refusal.end();
    this.#state = "idle";
    this.#flush();
  }

  async #roll(): Promise<void> {
    const old = this.#options.segments.active;
    this.#lastNumber += 1;
    const previousTime = this.#queue.lastTime;
    const file = await beginSegment(this.#options, { number: this.#lastNumber, previousTime });
    const left = this.#file;
    this.#file = file;
    this.#mustRoll = false;
    this.#isMarked = true;
    this.#rollTimer.disarm();
    await closeQuietly(left);
    if (old.first < old.next) this.#options.onSealed(old);
    else await dropEmpty(this.#options, old);
  }

  /** Refuses what waits and what comes, until a probe finds that the disk takes events again. */
  #refuse(refusal: BrokerError): void {
    this.#refusal.begin(refusal);
    if (this.#isClosing) this.#refusal.stop();
    this.#state = "idle";
    for (const group of this.#queue.clear()) group.settle(refusal, -1);
    this.#refusal.tell();
    this.#rest();
  }

  async #probe(): Promise<void> {
    const { disk, directory, share } = this.#options;
    const { refusal } = this;
    if (refusal === undefined || this.#isClosing || this.#state !== "idle") return;
    this.#state = "preparing";
    const hasRoom = (): Promise<boolean> => share.space?.hasRoom() ?? hasHeadroom(disk, directory);
    if (refusal.code === "disk_full" && !(await hasRoom())) {
      this.#refuse(refusal);
      return;
    }
    await this.#prepare();
  }

  #createSyncs(): BackgroundSync | undefined {
    const { fsync: mode, segments } = this.#options;
    if (mode === "always") return undefined;
    return new BackgroundSync({
      ...this.#options,
      mode,
      durableTo: segments.active.next,
      onSynced: () => {
        if (!this.#isMarked) this.#marker.arm();
      },
      onFailure: (failure) => this.#onSyncFailure(failure),
    });
  }

  #onSyncFailure(failure: Error): void {
    this.#mustRoll = true;
    // A group on its way is failed when its write comes back; a preparation rolls when it is done.
    if (this.#state === "writing" || this.#state === "preparing") return;
    this.#state = "preparing";
    void this.#leaveSegment("storage_unavailable", failure);
  }

  /** Before the segment is left or the log closed: what was acknowledged gets on the disk. */
  async #finishSyncs(): Promise<void> {
    const { path } = this.#options.segments.active;
    if ((await this.#syncs?.leave(this.#file, path)) === false) this.#mustRoll = true;
  }

  onAdvance(listener: (next: Offset) => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  onHealth(listener: (refusal: BrokerError | undefined) => void): Disposable {
    return this.#refusal.listen(listener);
  }

  /** A segment whose first record gets older than this makes way for a new one. */
  setRollAfter(rollAfterMs: number | undefined): void {
    this.#rollTimer.setAfter(rollAfterMs, this.#options.segments.active.firstTime);
  }

  /** A segment that would get larger than this makes way for a new one. */
  setRollBytes(rollBytes: number | undefined): void {
    const { segmentBytesMax } = this.#options;
    this.#rollBytes = Math.min(segmentBytesMax, rollBytes ?? segmentBytesMax);
  }

  #rollByAge(): void {
    // On a full disk retention is what makes room, so it may still try.
    const isRefused = this.refusal !== undefined && this.refusal.code !== "disk_full";
    if (isRefused || this.#isClosing) return;
    this.#mustRoll = true;
    if (this.#state !== "idle") return;
    this.#state = "preparing";
    void this.#prepare();
  }

  /** An empty group whose header says that everything before it is durable. */
  #mark(): void {
    const isResting = this.#state === "idle" && this.#queue.first === undefined;
    if (!isResting || this.#isMarked || this.#mustRoll || this.refusal !== undefined) return;
    if (this.#syncs?.isBehind === true) return;
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
    this.#refusal.stop();
    this.#rollTimer.stop();
    this.#marker.stop();
    await this.#idle();
    await this.#finishSyncs();
    this.#mark();
    await this.#idle();
    if (!this.#mustRoll) await this.#syncs?.settle();
    const file = this.#file;
    this.#file = undefined;
    await closeQuietly(file);
  }
}

const LEFT_BEHIND = "a write or sync failed; the log leaves this segment and goes on in a new one";
