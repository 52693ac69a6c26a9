import type { DatabaseSync } from "node:sqlite";
import type { BusName, Offset, SubscriptionId } from "../../kernel/ids.ts";
import type { DeadLetterState, LoadedBusState, ParkedState, SubscriptionState } from "../engine.ts";
import { fenced, unknownLetter } from "../state-errors.ts";
import type { ConsumerStatements } from "./consumer-statements.ts";
import {
  deadLetterOf,
  parkedStateOf,
  prepareConsumerStatements,
  rescuedRecordOf,
  subscriptionStateOf,
} from "./consumer-statements.ts";
import { encodeOffsets } from "./offset-list.ts";
import { RescueKeeper } from "./rescue-keeper.ts";
import type { CommitRequest, OperationArgument, StateOperations } from "./state-protocol.ts";

type ConsumerOperations = Pick<
  StateOperations,
  "loadConsumers" | "commitConsumers" | "listLetters" | "getLetter" | "getRescued" | "listNamed"
>;

/** What became of which offset, per subscription; the tables are drawn in spec/state-database.md. */
export function consumerTables(database: DatabaseSync): ConsumerOperations {
  const statements = prepareConsumerStatements(database);
  return {
    loadConsumers: (bus) => load(statements, bus),
    commitConsumers: (request) => commit(statements, request),
    listLetters: (request) => listLetters(statements, request),
    getLetter({ bus, subscription, letter }) {
      const log = logOf(statements, bus);
      if (log === undefined) return undefined;
      const row = statements.selectLetter.get(log, subscription, letter);
      return row === undefined ? undefined : deadLetterOf(row);
    },
    getRescued({ bus, offsets }) {
      const log = logOf(statements, bus);
      if (log === undefined) return [];
      return offsets
        .map((offset) => statements.selectRescued.get(log, offset))
        .filter((row) => row !== undefined)
        .map(rescuedRecordOf);
    },
    listNamed({ bus, from, before }) {
      const log = logOf(statements, bus);
      if (log === undefined) return [];
      const rows = statements.selectNamed.all(log, from, before, log, from, before);
      return rows.map((row) => row["offset"] as number);
    },
  };
}

function logOf(statements: ConsumerStatements, bus: BusName): number | undefined {
  return statements.selectLog.get(bus)?.["log"] as number | undefined;
}

function load(statements: ConsumerStatements, bus: BusName): LoadedBusState {
  const row = statements.selectLog.get(bus);
  const log = row?.["log"];
  if (log === undefined) return { position: undefined, subscriptions: [], parked: [] };
  return {
    position: (row?.["position"] as number | null) ?? undefined,
    subscriptions: statements.selectSubscriptions.all(log).map(subscriptionStateOf),
    parked: statements.selectParked.all(log).map(parkedStateOf),
  };
}

function listLetters(
  statements: ConsumerStatements,
  { bus, query }: OperationArgument<"listLetters">,
): DeadLetterState[] {
  const { subscription, after, limit } = query;
  const log = logOf(statements, bus);
  if (log === undefined) {
    if (after !== undefined) throw unknownLetter(subscription, after);
    return [];
  }
  if (after === undefined) {
    return statements.selectLetters.all(log, subscription, limit).map(deadLetterOf);
  }
  const last = statements.selectLetter.get(log, subscription, after);
  if (last === undefined) throw unknownLetter(subscription, after);
  const time = deadLetterOf(last).time;
  return statements.selectLettersAfter.all(log, subscription, time, after, limit).map(deadLetterOf);
}

/** Applies the parts in the order of ConsumerChanges; the transaction makes them one. */
function commit(statements: ConsumerStatements, request: CommitRequest): void {
  const { bus, leaseToken, changes } = request;
  const row = statements.selectLog.get(bus);
  const log = row?.["log"] as number | undefined;
  if (log === undefined || row?.["lease_token"] !== leaseToken) throw fenced(bus, leaseToken);
  const commitOf: Commit = { statements, log, rescue: new RescueKeeper(statements, log) };

  if (changes.position !== undefined) statements.setPosition.run(changes.position, log);
  for (const state of changes.subscriptions) putSubscription(commitOf, state);
  for (const parked of changes.parked) putParked(commitOf, parked);
  for (const { subscription, offset } of changes.unparked) {
    statements.deleteParked.run(log, subscription, offset);
    commitOf.rescue.release(offset);
  }
  for (const letter of changes.deadLetters) putLetter(commitOf, letter);
  for (const { subscription, letter } of changes.deletedLetters) {
    commitOf.rescue.releaseRows(statements.deleteLetter.all(log, subscription, letter));
  }
  for (const subscription of changes.deletedSubscriptions) {
    deleteSubscription(commitOf, subscription);
  }
  commitOf.rescue.settle(changes.rescued);
}

interface Commit {
  readonly statements: ConsumerStatements;
  readonly log: number;
  readonly rescue: RescueKeeper;
}

function putSubscription({ statements, log, rescue }: Commit, state: SubscriptionState): void {
  const { counters, unsettled } = state;
  rescue.releaseUnsettled(state.subscription);
  statements.putSubscription.run(
    log,
    state.subscription,
    state.generation,
    state.start,
    state.position ?? null,
    counters.delivered,
    counters.dead,
    counters.discarded,
    counters.expired,
    counters.skipped,
    lowest(unsettled),
    unsettled.length === 0 ? null : encodeOffsets(unsettled),
    state.details,
  );
}

function putParked({ statements, log }: Commit, parked: ParkedState): void {
  statements.putParked.run(
    log,
    parked.subscription,
    parked.offset,
    parked.dueAt,
    parked.attempts,
    parked.firstAttemptAt,
    parked.pausedMs,
    parked.lastError,
  );
}

function putLetter({ statements, log }: Commit, letter: DeadLetterState): void {
  statements.putLetter.run(
    log,
    letter.subscription,
    letter.letter,
    letter.offset,
    letter.generation,
    letter.time,
    letter.reason,
    letter.details,
  );
}

function deleteSubscription(
  { statements, log, rescue }: Commit,
  subscription: SubscriptionId,
): void {
  rescue.releaseUnsettled(subscription);
  statements.deleteSubscription.run(log, subscription);
  rescue.releaseRows(statements.deleteParkedOf.all(log, subscription));
  rescue.releaseRows(statements.deleteLettersOf.all(log, subscription));
}

/** Null for none. Not Math.min(...): a long list does not fit the stack. */
function lowest(offsets: readonly Offset[]): Offset | null {
  return offsets.reduce<Offset | null>(
    (low, offset) => (low === null || offset < low ? offset : low),
    null,
  );
}
