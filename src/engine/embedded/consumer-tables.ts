import type { DatabaseSync } from "node:sqlite";
import type { BusName, Offset, SubscriptionId } from "../../kernel/ids.ts";
import type {
  DeadLetterQuery,
  DeadLetterState,
  LetterPlace,
  LoadedBusState,
  ParkedState,
  SubscriptionState,
} from "../engine.ts";
import { fenced, unknownLetter } from "../state-errors.ts";
import { AttemptTables } from "./attempt-tables.ts";
import type { ConsumerStatements } from "./consumer-statements.ts";
import {
  deadLetterOf,
  letterParameters,
  parkedStateOf,
  prepareConsumerStatements,
  replayStateOf,
  rescuedRecordOf,
  subscriptionStateOf,
} from "./consumer-statements.ts";
import { encodeOffsets } from "./offset-list.ts";
import { RescueKeeper } from "./rescue-keeper.ts";
import type { CommitRequest, OperationArgument, StateOperations } from "./state-protocol.ts";

type ConsumerOperations = Pick<
  StateOperations,
  | "loadConsumers"
  | "commitConsumers"
  | "listLetters"
  | "countLetters"
  | "getLetter"
  | "listAttempts"
  | "getRescued"
  | "listNamed"
>;

/** What became of which offset, per subscription; the tables are drawn in spec/state-database.md. */
export function consumerTables(database: DatabaseSync): ConsumerOperations {
  const statements = prepareConsumerStatements(database);
  const attempts = new AttemptTables(database);
  return {
    loadConsumers: (bus) => load(statements, attempts, bus),
    commitConsumers: (request) => commit(statements, attempts, request),
    listLetters: (request) => listLetters(statements, request),
    countLetters: (request) => countLetters(statements, request),
    listAttempts({ bus, query }) {
      const log = logOf(statements, bus);
      return log === undefined ? [] : attempts.search(log, query);
    },
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

function load(
  statements: ConsumerStatements,
  attempts: AttemptTables,
  bus: BusName,
): LoadedBusState {
  const row = statements.selectLog.get(bus);
  const log = row?.["log"] as number | undefined;
  if (log === undefined) {
    return { position: undefined, subscriptions: [], parked: [], replays: [], failures: [] };
  }
  const subscriptions = statements.selectSubscriptions.all(log).map(subscriptionStateOf);
  return {
    position: (row?.["position"] as number | null) ?? undefined,
    subscriptions,
    parked: statements.selectParked.all(log).map(parkedStateOf),
    replays: statements.selectReplays.all(log).map(replayStateOf),
    failures: subscriptions.flatMap((state) => attempts.failures(log, state.subscription)),
  };
}

function listLetters(
  statements: ConsumerStatements,
  { bus, query }: OperationArgument<"listLetters">,
): DeadLetterState[] {
  const { subscription, after, limit, filter } = query;
  const log = logOf(statements, bus);
  const place = log === undefined ? undefined : placeOf(statements, log, query);
  if (after !== undefined && place === undefined) throw unknownLetter(subscription, after);
  if (log === undefined) return [];
  const parameters = {
    ...letterParameters(filter),
    log,
    subscription,
    afterTime: place?.time ?? -Number.MAX_VALUE,
    afterLetter: place?.letter ?? "",
    limit,
  };
  const select =
    filter?.offset === undefined ? statements.selectLetters : statements.selectLettersAt;
  return select.all(parameters).map(deadLetterOf);
}

function placeOf(
  statements: ConsumerStatements,
  log: number,
  { subscription, after, afterPlace }: DeadLetterQuery,
): LetterPlace | undefined {
  if (after === undefined) return afterPlace;
  const row = statements.selectLetter.get(log, subscription, after);
  return row === undefined ? undefined : { time: deadLetterOf(row).time, letter: after };
}

function countLetters(
  statements: ConsumerStatements,
  { bus, subscription, filter }: OperationArgument<"countLetters">,
): number {
  const log = logOf(statements, bus);
  if (log === undefined) return 0;
  const parameters = { ...letterParameters(filter), log, subscription };
  return statements.countLetters.get(parameters)?.["letters"] as number;
}

/** Applies the parts in the order of ConsumerChanges; the transaction makes them one. */
function commit(
  statements: ConsumerStatements,
  attempts: AttemptTables,
  request: CommitRequest,
): void {
  const { bus, leaseToken, changes } = request;
  const row = statements.selectLog.get(bus);
  const log = row?.["log"] as number | undefined;
  if (log === undefined || row?.["lease_token"] !== leaseToken) throw fenced(bus, leaseToken);
  const rescue = new RescueKeeper(statements, log);
  const commitOf: Commit = { statements, attempts, log, rescue };

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
  attempts.add(log, changes.attempts);
  for (const { subscription, replay, value } of changes.replays) {
    statements.putReplay.run(log, subscription, replay, value);
  }
  for (const { subscription, replay } of changes.deletedReplays) {
    statements.deleteReplay.run(log, subscription, replay);
  }
  commitOf.rescue.settle(changes.rescued);
}

interface Commit {
  readonly statements: ConsumerStatements;
  readonly attempts: AttemptTables;
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
    letter.eventType ?? null,
    letter.eventSource ?? null,
    letter.details,
  );
}

function deleteSubscription(
  { statements, attempts, log, rescue }: Commit,
  subscription: SubscriptionId,
): void {
  attempts.deleteOf(log, subscription);
  statements.deleteReplaysOf.run(log, subscription);
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
