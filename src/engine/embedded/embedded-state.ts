import type { BusName, Offset, SubscriptionId } from "../../kernel/ids.ts";
import type {
  AttemptQuery,
  ConsumerChanges,
  ConsumerStateStore,
  DeadLetterQuery,
  DeadLetterState,
  LetterFilter,
  LoadedBusState,
  RescuedRecord,
  StoredAttempt,
} from "../engine.ts";
import type { LeaseTokens } from "../local-leases.ts";
import type { StateDatabase } from "./state-database.ts";

/** Consumer state and lease tokens in the state database; each call is one transaction there. */
export class EmbeddedState implements ConsumerStateStore, LeaseTokens {
  readonly #database: () => Pick<StateDatabase, "request">;

  constructor(database: () => Pick<StateDatabase, "request">) {
    this.#database = database;
  }

  async load(bus: BusName): Promise<LoadedBusState> {
    return this.#database().request("loadConsumers", bus);
  }

  async commit(bus: BusName, leaseToken: number, changes: ConsumerChanges): Promise<void> {
    const rescued = changes.rescued.map(withOwnPayload);
    await this.#database().request("commitConsumers", {
      bus,
      leaseToken,
      changes: { ...changes, rescued },
    });
  }

  async deadLetters(bus: BusName, query: DeadLetterQuery): Promise<readonly DeadLetterState[]> {
    return this.#database().request("listLetters", { bus, query });
  }

  async deadLetter(
    bus: BusName,
    subscription: SubscriptionId,
    letter: string,
  ): Promise<DeadLetterState | undefined> {
    return this.#database().request("getLetter", { bus, subscription, letter });
  }

  async countDeadLetters(
    bus: BusName,
    subscription: SubscriptionId,
    filter: LetterFilter,
  ): Promise<number> {
    return this.#database().request("countLetters", { bus, subscription, filter });
  }

  async attempts(bus: BusName, query: AttemptQuery): Promise<readonly StoredAttempt[]> {
    return this.#database().request("listAttempts", { bus, query });
  }

  async rescued(bus: BusName, offsets: readonly Offset[]): Promise<readonly RescuedRecord[]> {
    return this.#database().request("getRescued", { bus, offsets });
  }

  async named(bus: BusName, from: Offset, before: Offset): Promise<readonly Offset[]> {
    return this.#database().request("listNamed", { bus, from, before });
  }

  async issue(bus: BusName): Promise<number> {
    return this.#database().request("issueToken", bus);
  }

  async revoke(bus: BusName, token: number): Promise<void> {
    await this.#database().request("revokeToken", { bus, token });
  }
}

/** A payload is mostly a view of a large read buffer, all of which would be cloned with it. */
function withOwnPayload(record: RescuedRecord): RescuedRecord {
  return { ...record, payload: new Uint8Array(record.payload) };
}
