import type { Disposable, EpochMs } from "../kernel/clock.ts";
import type { BrokerError } from "../kernel/errors.ts";
import type { BusName, Offset } from "../kernel/ids.ts";
import type { ConsumerStateStore } from "./consumer-state.ts";

export type * from "./consumer-state.ts";

/**
 * The seam between one machine and a cluster. An engine stores; it does not dispatch. Every
 * implementation passes the contract suite in src/testing/engine-contract.ts (P10).
 *
 * Rejections are BrokerErrors. `outcome_unknown` means that something may have been stored; every
 * other code means that nothing was.
 */
export interface Engine {
  /** Refuses a store it cannot trust; says how durable an acknowledgement is. Once. */
  open(): Promise<EngineHealth>;
  /** Opens the log of a bus, creating it if need be; the same object for the same bus. */
  log(bus: BusName): Promise<EventLog>;
  /** Deletes the log with all state and delayed events of the bus. One opened later is new. */
  deleteLog(bus: BusName): Promise<void>;
  readonly resources: ResourceStore;
  readonly consumerState: ConsumerStateStore;
  readonly delayed: DelayedStore;
  readonly leases: Leases;
  onHealth(listener: (health: EngineHealth) => void): Disposable;
  /** What reading everything again in the background has come to; absent where none is done. */
  readonly scrub?: ScrubFacts | undefined;
  /** Finishes what was appended and committed, then lets go of the store. Idempotent. */
  close(): Promise<void>;
}

export interface ScrubFacts {
  /** Read since the engine was opened. */
  readonly bytes: number;
  /** Found in the pass that runs, or ran last. */
  readonly damages: number;
  /** When the last whole pass ended. */
  readonly finishedAt: EpochMs | undefined;
}

/**
 * When an event is synced: before its acknowledgement, every limits.fsyncIntervalMs, or when the
 * operating system likes (and when the log is closed).
 */
export type FsyncMode = "always" | "interval" | "never";

export interface EngineHealth {
  readonly engine: string;
  /** What a 2xx promises: it survives a power cut (`disk`), a dead process (`os`), nothing. */
  readonly durability: "disk" | "os" | "memory";
  readonly fsync: FsyncMode;
  readonly writable: boolean;
  /** Why not writable, or what an operator should know. */
  readonly reason: string | undefined;
  /** What the store's file system can still take; undefined where nobody knows. */
  readonly freeBytes?: number | undefined;
}

// ---------------------------------------------------------------------------------------------
// The log of a bus

/** What the broker hands over to be stored: an event in stored form, and the broker's own facts. */
export interface EncodedRecord {
  /** The event (src/event/stored-form.ts). The log copies it before append returns. */
  readonly payload: Uint8Array;
  /** How many brokers and replies the event has passed; 0 for a fresh one. At most 255. */
  readonly hops: number;
  /** More facts of the broker as a block of src/engine/record-facts.ts. */
  readonly facts: Uint8Array | undefined;
}

/**
 * Called once per append, after the group's sync. On success `failure` is undefined and the records
 * have the offsets first, first + 1 …; on failure nothing was stored, unless the code is
 * `outcome_unknown`. It must not throw.
 */
export type AppendCallback = (failure: BrokerError | undefined, first: Offset) => void;

export interface ReadLimit {
  readonly records: number;
  /** The first record is returned even if it alone is larger. */
  readonly bytes: number;
}

/** Offsets that hold no event any more, inclusive. Reported, never skipped in silence. */
export interface Gap {
  readonly from: Offset;
  readonly to: Offset;
  readonly reason: "trimmed" | "damaged" | "jumped";
}

/**
 * Records of one read in one buffer: parallel arrays instead of an object per record, because the
 * live path reads millions. The buffer may be shared with other readers: never write to it, copy
 * what must live longer than the handling of the batch.
 */
export interface RecordBatch {
  readonly count: number;
  readonly buffer: Buffer;
  readonly offsets: readonly Offset[];
  readonly times: readonly EpochMs[];
  readonly hops: readonly number[];
  /** Where the facts of record i lie in the buffer: [factsStarts[i], starts[i]); mostly empty. */
  readonly factsStarts: readonly number[];
  /** Where the payload of record i lies in the buffer: [starts[i], ends[i]). */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly gaps: readonly Gap[];
  /** Where to read on: above every offset and gap of this batch. Equal to `from` = caught up. */
  readonly next: Offset;
}

export interface LogBounds {
  /** The oldest offset kept. Nothing below it is ever read again. */
  readonly first: Offset;
  /** The offset the next event gets; every offset below it is durable. */
  readonly next: Offset;
  readonly bytes: number;
  /** Append times of the oldest and newest kept event; undefined when there is none. */
  readonly firstTime: EpochMs | undefined;
  readonly lastTime: EpochMs | undefined;
}

/** A range that the log could not read back as it was written, or cut off when it opened. */
export interface Damage {
  readonly from: Offset;
  readonly to: Offset;
  readonly file: string;
  readonly position: number;
  readonly what: string;
}

export interface EventLog {
  /**
   * The hot door: takes the records, copies them into the group that is being filled and calls back
   * when that group is durable. All or nothing, offsets contiguous and in order of the calls. Never
   * throws for operational reasons: a full queue or disk comes through the callback too, but never
   * before append has returned.
   */
  append(records: readonly EncodedRecord[], settled: AppendCallback): void;
  /** Only durable records are visible. An empty batch with next === from means caught up. */
  read(from: Offset, limit: ReadLimit): Promise<RecordBatch>;
  /**
   * The records from `from` that are still in memory, or undefined when they are not. Synchronous:
   * the live group reads with it, so that an event is delivered in the turn of its sync.
   */
  readCached(from: Offset, limit: ReadLimit): RecordBatch | undefined;
  /** Called after each group with the new bounds().next. */
  onAdvance(listener: (next: Offset) => void): Disposable;
  bounds(): LogBounds;
  /** The first offset appended at or after `time`; bounds().next if there is none. */
  offsetAt(time: EpochMs): Promise<Offset>;
  /** The largest `before` <= `wanted` at which trim would cut: the start of a segment. */
  trimmable(wanted: Offset): Offset;
  /**
   * Moves bounds().first up to trimmable(before) at once, then deletes what lies wholly below.
   * Idempotent. The caller has committed the consumer state that named those offsets before.
   */
  trim(before: Offset): Promise<void>;
  /** Whole segments, oldest first, with what retention needs to decide. The last one is active. */
  segments(): readonly SegmentFacts[];
  /**
   * The active segment makes way for a new one when its first record is older than this, so that
   * retention by age can let go of an idle bus's last events too. Undefined: only when it is full.
   */
  setRollAfter(rollAfterMs: number | undefined): void;
  /**
   * The active segment makes way for a new one when it would become larger than this, so that
   * retention by bytes keeps little more than it is told. Undefined: only when it is full.
   */
  setRollBytes(rollBytes: number | undefined): void;
  /**
   * The deduplication keys (src/engine/record-facts.ts) of the records appended at or after `since`,
   * in the order of offsets; records without a key are left out. Reads little: for what is sealed
   * the keys lie together.
   */
  keys(since: EpochMs): AsyncIterable<KeyBatch>;
  /** What was found damaged or cut since the log was opened; at most 1 000 entries. */
  damages(): readonly Damage[];
  /** Reads everything again and reports what is not as it was written. */
  verify(options?: VerifyOptions): AsyncIterable<Damage>;
}

/** Keys of records: arrays side by side, key i at [i × KEY_BYTES, (i + 1) × KEY_BYTES). */
export interface KeyBatch {
  readonly offsets: readonly Offset[];
  readonly times: readonly EpochMs[];
  readonly keys: Buffer;
}

export interface VerifyOptions {
  /** Reads no faster than this. Undefined: as fast as the disk. */
  readonly bytesPerSecond?: number;
  readonly signal?: AbortSignal;
  /** Called before so many bytes are read. */
  readonly onRead?: (bytes: number) => void;
}

export interface SegmentFacts {
  readonly first: Offset;
  readonly next: Offset;
  readonly bytes: number;
  readonly firstTime: EpochMs | undefined;
  readonly lastTime: EpochMs | undefined;
}

// ---------------------------------------------------------------------------------------------
// Resources: buses, subscriptions, sources, tokens, and the engine's few settings

export type ResourceKind = "bus" | "subscription" | "source" | "token" | "setting";

/** Grows with each change in the store; 0 stands for "must not exist". */
export type Revision = number;

export interface Resource {
  readonly kind: ResourceKind;
  readonly id: string;
  readonly revision: Revision;
  /** JSON text; the store does not look into it. Secrets in it are already sealed. */
  readonly value: string;
}

export interface ResourcePut {
  readonly kind: ResourceKind;
  readonly id: string;
  readonly value: string;
  /** Compare-and-set: the revision it must be at, 0 = must not exist, undefined = whatever. */
  readonly expect?: Revision;
}

export interface ResourceStore {
  get(kind: ResourceKind, id: string): Promise<Resource | undefined>;
  /** In the order of their ids. */
  list(kind: ResourceKind): Promise<readonly Resource[]>;
  /** Durable when it resolves. Rejects with precondition_failed when `expect` does not hold. */
  put(resource: ResourcePut): Promise<Revision>;
  /** Absent is fine unless `expect` says otherwise. */
  delete(kind: ResourceKind, id: string, expect?: Revision): Promise<void>;
  /** Called after each change, made here or elsewhere, in the order of revisions. */
  watch(listener: (change: ResourceChange) => void): Disposable;
}

export type ResourceChange =
  | { readonly change: "put"; readonly resource: Resource }
  | { readonly change: "delete"; readonly kind: ResourceKind; readonly id: string };

// ---------------------------------------------------------------------------------------------
// Delayed events

/** An event that waits for its time; it has no offset yet. */
export interface DelayedEvent {
  /** Unique within the bus; the broker makes it. The record of the event carries it as a fact. */
  readonly id: string;
  readonly dueAt: EpochMs;
  readonly createdAt: EpochMs;
  readonly hops: number;
  /** The event in stored form (src/event/stored-form.ts). */
  readonly payload: Uint8Array;
}

export interface DelayedQuery {
  /** Events after this place in the order of (dueAt, id). */
  readonly after?: { readonly dueAt: EpochMs; readonly id: string };
  /** Only what is due at or before this time. */
  readonly dueBy?: EpochMs;
  readonly limit: number;
  /** Of payloads. The first event is returned even if it alone is larger. */
  readonly bytes: number;
}

export interface DelayedSummary {
  readonly count: number;
  /** Of the payloads. */
  readonly bytes: number;
  readonly nextDueAt: EpochMs | undefined;
  /**
   * Every record below this offset that carries a delayed event's id has had its row deleted: after
   * a crash only the records from here on are compared with the rows. 0 before the first one.
   */
  readonly firedTo: Offset;
}

export interface DelayedStore {
  /** All or nothing; durable when it resolves. Rejects with bus_not_found without a log. */
  add(bus: BusName, events: readonly DelayedEvent[]): Promise<void>;
  /** In the order of (dueAt, id). */
  list(bus: BusName, query: DelayedQuery): Promise<readonly DelayedEvent[]>;
  get(bus: BusName, id: string): Promise<DelayedEvent | undefined>;
  /**
   * Answers which of them were there. Stores firedTo, if given, in the same transaction; it never
   * moves back.
   */
  remove(
    bus: BusName,
    ids: readonly string[],
    firedTo: Offset | undefined,
  ): Promise<readonly string[]>;
  summary(bus: BusName): Promise<DelayedSummary>;
}

// ---------------------------------------------------------------------------------------------
// Leases: who dispatches which bus

export interface Lease {
  readonly bus: BusName;
  /** Grows with each new holder: the fencing token. */
  readonly token: number;
  /** Fires before anyone else can hold it. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

export interface Leases {
  /**
   * Waits until nobody else holds the lease of the bus, whose log has been opened before. Rejects
   * with the signal's reason when that aborts first, with bus_not_found without such a log.
   */
  acquire(bus: BusName, signal: AbortSignal): Promise<Lease>;
}
