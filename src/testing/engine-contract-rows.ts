import type {
  ConsumerChanges,
  DeadLetterState,
  Lease,
  ParkedState,
  SubscriptionState,
} from "../engine/engine.ts";
import type { EngineUnderTest } from "./engine-store.ts";
import { changes } from "./engine-store.ts";

export const bus = "orders";
export const neverAborted: AbortSignal = new AbortController().signal;

export interface Holder {
  readonly engine: EngineUnderTest["engine"];
  readonly consumerState: EngineUnderTest["engine"]["consumerState"];
  readonly lease: Lease;
  readonly commit: (parts: Partial<ConsumerChanges>) => Promise<void>;
}

/** The lease of `bus`, and commits under it. */
export async function holder({ engine }: EngineUnderTest): Promise<Holder> {
  await engine.log(bus);
  const lease = await engine.leases.acquire(bus, neverAborted);
  const { consumerState } = engine;
  const commit = (parts: Partial<ConsumerChanges>): Promise<void> =>
    consumerState.commit(bus, lease.token, changes(parts));
  return { engine, consumerState, lease, commit };
}

export function subscription(
  id: string,
  parts: Partial<SubscriptionState> = {},
): SubscriptionState {
  return {
    subscription: id,
    generation: 1,
    start: 0,
    position: undefined,
    counters: { delivered: 2 ** 50, dead: 1, discarded: 2, expired: 3, skipped: 4 },
    unsettled: [],
    details: '{"holds":["ä"]}',
    ...parts,
  };
}

export function parked(id: string, offset: number, parts: Partial<ParkedState> = {}): ParkedState {
  return {
    subscription: id,
    offset,
    dueAt: 1_767_225_600_000.5,
    attempts: 2,
    firstAttemptAt: 1_767_225_500_000,
    pausedMs: 0,
    lastError: '"timeout"',
    ...parts,
  };
}

export function letter(
  id: string,
  name: string,
  offset: number,
  parts: Partial<DeadLetterState> = {},
): DeadLetterState {
  return {
    subscription: id,
    letter: name,
    offset,
    generation: 1,
    time: 1_767_225_600_000,
    reason: "rejected",
    eventType: "t",
    eventSource: "/test",
    details: "{}",
    ...parts,
  };
}

export function rescuedRecord(offset: number): {
  offset: number;
  time: number;
  hops: number;
  payload: Uint8Array;
} {
  return { offset, time: 5, hops: 1, payload: new Uint8Array([offset, 0, 255]) };
}

/** Rows as plain objects with plain bytes: an engine may use other prototypes inside. */
export function plain(rows: readonly (object | undefined)[]): unknown[] {
  return rows.map((row) => {
    if (row === undefined || !("payload" in row)) return row;
    return { ...row, payload: new Uint8Array(row.payload as Uint8Array) };
  });
}
