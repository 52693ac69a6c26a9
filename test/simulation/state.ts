import type { StateDatabase } from "../../src/engine/embedded/state-database.ts";
import type {
  OperationArgument,
  OperationName,
  OperationResult,
  StateAnswer,
  StateRequest,
} from "../../src/engine/embedded/state-protocol.ts";
import { StateStore } from "../../src/engine/embedded/state-store.ts";
import { BrokerError } from "../../src/kernel/errors.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Life } from "./life.ts";

/** Whether the next transactions are lost, or done without anybody being told. */
export interface StateFault {
  readonly kind: "fails" | "unknown";
  times: number;
}

interface Waiting {
  readonly request: StateRequest;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: BrokerError) => void;
}

/** What one life asks of the database, and what it learns of the commits of consumer state. */
export interface Connection extends Pick<StateDatabase, "request"> {
  readonly store: SimulatedState;
}

/**
 * The state database without its thread: the production tables in memory, in process, so that a run
 * repeats exactly. A crash keeps the committed transactions, as `synchronous=FULL` promises, and
 * loses what was asked and not yet committed; the answer may get lost after the commit.
 */
export class SimulatedState {
  readonly #store = new StateStore(":memory:");
  fault: StateFault | undefined;
  delayMs = 0;
  transactions = 0;

  connect(options: {
    readonly life: Life;
    readonly random: SeededRandom;
    /** A commit of consumer state began; the answer is called once it is durable. */
    readonly onCommit: () => () => void;
  }): Connection {
    const { life, random, onCommit } = options;
    const waiting: Waiting[] = [];
    const durable = new Map<number, () => void>();
    let requests = 0;
    const run = (): void => {
      if (life.isOver) return;
      const batch = waiting.splice(0);
      const answers = this.#execute(batch.map(({ request }) => request));
      const isTold = this.#isTold();
      for (const [index, answer] of answers.entries()) {
        if (answer.ok) durable.get(answer.id)?.();
        durable.delete(answer.id);
        const one = batch[index];
        if (one !== undefined) turns(random.integer(1, 3), () => tell(one, answer, isTold));
      }
    };
    const tell = (one: Waiting, answer: StateAnswer, isTold: boolean): void => {
      if (life.isOver) return;
      if (!isTold) one.reject(new BrokerError("outcome_unknown", "injected: the answer is lost"));
      else if (answer.ok) one.resolve(answer.result);
      else one.reject(new BrokerError(answer.failure.code, answer.failure.message));
    };
    const schedule = (): void => {
      if (this.delayMs > 0) life.after(this.delayMs, run);
      else turns(random.integer(1, 3), run);
    };
    const request = <Name extends OperationName>(
      operation: Name,
      argument: OperationArgument<Name>,
    ): Promise<OperationResult<Name>> =>
      new Promise((resolve, reject) => {
        requests += 1;
        const own = { id: requests, operation, argument: structuredClone(argument) };
        if (operation === "commitConsumers") durable.set(requests, onCommit());
        waiting.push({ request: own, resolve: resolve as (result: unknown) => void, reject });
        if (waiting.length === 1) schedule();
      });
    return { request, store: this };
  }

  close(): void {
    this.#store.close();
  }

  #execute(requests: readonly StateRequest[]): StateAnswer[] {
    this.transactions += 1;
    if (this.fault?.kind !== "fails" || !this.#usesFault()) return this.#store.execute(requests);
    const failure = { code: "storage_unavailable", message: "injected: no transaction" } as const;
    return requests.map(({ id }) => ({ id, ok: false, failure }));
  }

  #isTold(): boolean {
    return this.fault?.kind !== "unknown" || !this.#usesFault();
  }

  #usesFault(): boolean {
    const { fault } = this;
    if (fault === undefined || fault.times <= 0) return false;
    fault.times -= 1;
    return true;
  }
}

function turns(count: number, work: () => void): void {
  setImmediate(() => (count > 1 ? turns(count - 1, work) : work()));
}
