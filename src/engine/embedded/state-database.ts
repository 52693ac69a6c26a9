import { Worker } from "node:worker_threads";
import { assert } from "../../kernel/assert.ts";
import type { Clock, Disposable } from "../../kernel/clock.ts";
import { systemClock } from "../../kernel/clock.ts";
import { BrokerError, toBrokerError } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import type {
  FromWorker,
  OperationArgument,
  OperationName,
  OperationResult,
  StateAnswer,
  StateFailure,
  StateRequest,
  StateReserves,
  StateWorkerData,
  ToWorker,
} from "./state-protocol.ts";

export interface StateDatabaseOptions {
  /** Path of the SQLite file. */
  readonly file: string;
  readonly reserves?: StateReserves;
  readonly clock?: Clock;
  /** The worker stopped without being asked to; everything that waited has been rejected. */
  readonly onDeath?: (cause: BrokerError) => void;
  /** A new worker has opened the file after a death. */
  readonly onRevival?: () => void;
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (failure: BrokerError) => void;
}

/**
 * The state database as the main thread sees it: requests to the one thread that owns SQLite. The
 * requests take effect in the order in which they were made.
 *
 * States: open → closing → closed by close(); open → dead when the worker stops by itself, → open
 * when a new one has opened the file, which is tried for as long as it takes. What was requested of
 * the dead one is `outcome_unknown`: whether its last transaction was committed only the file tells.
 */
export class StateDatabase {
  readonly #options: StateDatabaseOptions;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  #worker: Worker;
  #exited: Promise<void> = Promise.resolve();
  #state: "open" | "closing" | "dead" = "open";
  #revivalTimer: Disposable | undefined;
  #revival: Promise<void> | undefined;
  #requestLast = 0;

  private constructor(options: StateDatabaseOptions, worker: Worker) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#worker = this.#adopt(worker);
  }

  /** Rejects with data_dir_too_new or data_corrupt when the file cannot be trusted. */
  static async open(options: StateDatabaseOptions): Promise<StateDatabase> {
    return new StateDatabase(options, await openWorker(options));
  }

  /**
   * Resolves when the operation is durable. The argument is copied before this returns. A failed
   * one has changed nothing, save with `outcome_unknown`.
   */
  request<Name extends OperationName>(
    operation: Name,
    argument: OperationArgument<Name>,
  ): Promise<OperationResult<Name>> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#requestLast += 1;
    const id = this.#requestLast;
    return new Promise((resolve, reject) => {
      this.#send({ request: { id, operation, argument } satisfies StateRequest });
      // The worker answers with what StateOperations says, so that the cast holds.
      this.#pending.set(id, { resolve: resolve as (result: unknown) => void, reject });
    });
  }

  /** Answers what was requested, folds the WAL back and ends the thread. Idempotent. */
  async close(): Promise<void> {
    const wasOpen = this.#state === "open";
    this.#state = "closing";
    this.#revivalTimer?.dispose();
    if (wasOpen) this.#send({ close: true });
    await this.#revival;
    await this.#exited;
  }

  #refusal(): BrokerError | undefined {
    switch (this.#state) {
      case "dead":
        return new BrokerError("storage_unavailable", "the state database is being opened again", {
          retryAfterSeconds: Math.ceil(limits.stateRestartDelayMs / 1000),
        });
      case "closing":
        return new BrokerError("stopping", "the state database is closing");
      case "open":
        break;
    }
    if (this.#pending.size < limits.stateRequestsMax) return undefined;
    return new BrokerError(
      "overloaded",
      `${this.#pending.size} requests wait for the state database, as many as may ` +
        "(stateRequestsMax)",
      { retryAfterSeconds: 1 },
    );
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #settle(answer: StateAnswer): void {
    const pending = this.#pending.get(answer.id);
    assert(pending !== undefined, "the worker answers what was asked, once");
    this.#pending.delete(answer.id);
    if (answer.ok) pending.resolve(answer.result);
    else pending.reject(errorOf(answer.failure));
  }

  #adopt(worker: Worker): Worker {
    let error: unknown;
    worker.on("error", (thrown) => {
      error = thrown;
    });
    worker.on("message", (message: FromWorker) => {
      if ("answers" in message) for (const answer of message.answers) this.#settle(answer);
    });
    this.#exited = new Promise((resolve) => {
      worker.once("exit", (exitCode) => {
        this.#bury(exitCode, error);
        resolve();
      });
    });
    return worker;
  }

  #bury(exitCode: number, error: unknown): void {
    const isExpected = this.#state === "closing" && error === undefined;
    const cause = new BrokerError(
      "outcome_unknown",
      `the state database's thread stopped with code ${exitCode}; it is started again`,
      { cause: error },
    );
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    if (this.#state === "open") {
      this.#state = "dead";
      this.#reviveLater();
    }
    for (const { reject } of pending) reject(cause);
    if (!isExpected) this.#options.onDeath?.(cause);
  }

  /** Not at once: whatever killed it may come again. */
  #reviveLater(): void {
    this.#revivalTimer = this.#clock.after(limits.stateRestartDelayMs, () => {
      this.#revival = this.#revive();
    });
  }

  async #revive(): Promise<void> {
    try {
      const worker = await openWorker(this.#options);
      this.#worker = this.#adopt(worker);
    } catch (thrown) {
      if (this.#state !== "dead") return;
      this.#options.onDeath?.(toBrokerError(thrown));
      this.#reviveLater();
      return;
    }
    if (this.#state === "dead") {
      this.#state = "open";
      this.#options.onRevival?.();
    } else {
      this.#send({ close: true });
    }
  }
}

/** Resolves when the worker has opened the file. */
async function openWorker({ file, reserves }: StateDatabaseOptions): Promise<Worker> {
  const worker = startWorker({ file, reserves, batchMax: limits.stateBatchRequestsMax });
  await firstMessage(worker);
  return worker;
}

function startWorker(data: StateWorkerData): Worker {
  // The sources run as .ts by type stripping, the published package as .js.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new Worker(new URL(`./state-worker.${extension}`, import.meta.url), {
    workerData: data,
    name: "state-database",
  });
}

/** Resolves when the worker has opened its file, rejects when it refused or died before. */
function firstMessage(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (failure: BrokerError | undefined): void => {
      worker.off("message", onMessage).off("error", onError).off("exit", onExit);
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const onMessage = (message: FromWorker): void => {
      settle("refused" in message ? errorOf(message.refused) : undefined);
    };
    const onError = (cause: unknown): void => {
      settle(new BrokerError("internal", "the state database's thread failed", { cause }));
    };
    const onExit = (exitCode: number): void => {
      settle(new BrokerError("internal", `the state database's thread ended with ${exitCode}`));
    };
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
  });
}

function errorOf({ code, message }: StateFailure): BrokerError {
  return new BrokerError(code, message);
}
