import type { ErrorCode } from "../../kernel/error-codes.ts";
import type { BusName, Offset, SubscriptionId } from "../../kernel/ids.ts";
import type {
  AttemptQuery,
  ConsumerChanges,
  DeadLetterQuery,
  DeadLetterState,
  DelayedEvent,
  DelayedQuery,
  DelayedSummary,
  LetterFilter,
  LoadedBusState,
  RescuedRecord,
  Resource,
  ResourceKind,
  ResourcePut,
  Revision,
  StoredAttempt,
} from "../engine.ts";

/** Where the log of a bus lies, and how far its making or unmaking has come. */
export interface LogRow {
  readonly bus: BusName;
  /** The name of its directory below `logs/`. */
  readonly directory: string;
  /** `new`: not finished, holds nothing; `deleted`: only its directory is left, to be removed. */
  readonly state: "new" | "ready" | "deleted";
}

export interface CommitRequest {
  readonly bus: BusName;
  readonly leaseToken: number;
  readonly changes: ConsumerChanges;
}

/**
 * What the state database can do: each a whole transaction, all with one argument that a structured
 * clone can carry. The worker implements them, the main thread requests them by name.
 */
export interface StateOperations {
  getResource(key: { kind: ResourceKind; id: string }): Resource | undefined;
  listResources(kind: ResourceKind): Resource[];
  putResource(put: ResourcePut): Revision;
  /** Whether there was something to delete. */
  deleteResource(key: { kind: ResourceKind; id: string; expect: Revision | undefined }): boolean;

  listLogs(request: Record<string, never>): LogRow[];
  /** Undefined when the bus has no log, or only a deleted one. */
  findLog(bus: BusName): LogRow | undefined;
  insertLog(log: { bus: BusName; directory: string }): void;
  finishLog(directory: string): void;
  /** Deletes all consumer state of the bus with it. */
  markLogDeleted(bus: BusName): void;
  forgetLog(directory: string): void;

  issueToken(bus: BusName): number;
  revokeToken(lease: { bus: BusName; token: number }): void;

  loadConsumers(bus: BusName): LoadedBusState;
  commitConsumers(request: CommitRequest): void;
  listLetters(request: { bus: BusName; query: DeadLetterQuery }): DeadLetterState[];
  countLetters(request: {
    bus: BusName;
    subscription: SubscriptionId;
    filter: LetterFilter;
  }): number;
  listAttempts(request: { bus: BusName; query: AttemptQuery }): StoredAttempt[];
  getLetter(key: {
    bus: BusName;
    subscription: SubscriptionId;
    letter: string;
  }): DeadLetterState | undefined;
  getRescued(request: { bus: BusName; offsets: readonly Offset[] }): RescuedRecord[];
  listNamed(range: { bus: BusName; from: Offset; before: Offset }): Offset[];

  addDelayed(request: { bus: BusName; events: readonly DelayedEvent[] }): void;
  listDelayed(request: { bus: BusName; query: DelayedQuery }): DelayedEvent[];
  getDelayed(key: { bus: BusName; id: string }): DelayedEvent | undefined;
  /** Which of them were there. */
  removeDelayed(request: {
    bus: BusName;
    ids: readonly string[];
    firedTo: Offset | undefined;
  }): string[];
  summarizeDelayed(bus: BusName): DelayedSummary;
}

export type OperationName = keyof StateOperations;
export type OperationArgument<Name extends OperationName> = Parameters<StateOperations[Name]>[0];
export type OperationResult<Name extends OperationName> = ReturnType<StateOperations[Name]>;

export interface StateRequest {
  /** Counted by the main thread; the answer carries the same. */
  readonly id: number;
  readonly operation: OperationName;
  readonly argument: unknown;
}

/** A BrokerError on its way between threads. */
export interface StateFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

export type StateAnswer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly failure: StateFailure };

/** Main thread to worker. `close` is the last message. */
export type ToWorker = { readonly request: StateRequest } | { readonly close: true };

/** Worker to main thread: first one of the first two, then the answers of each transaction. */
export type FromWorker =
  | { readonly opened: true }
  | { readonly refused: StateFailure }
  | { readonly answers: readonly StateAnswer[] };

/** Files to be removed when the disk is full (disk-reserve.ts). */
export interface StateReserves {
  readonly reserveFile: string;
  /** Only opening and taking a lease may use it up: without those a broker does not start. */
  readonly startReserveFile: string;
}

export interface StateWorkerData {
  readonly file: string;
  readonly reserves: StateReserves | undefined;
  /** How many requests one transaction takes at most. */
  readonly batchMax: number;
}
