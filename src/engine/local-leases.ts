import { BrokerError } from "../kernel/errors.ts";
import type { BusName } from "../kernel/ids.ts";
import type { Lease, Leases } from "./engine.ts";

/** Where the tokens come from and where commits are checked against them. */
export interface LeaseTokens {
  /** Makes a token that is higher than every token before and alone valid for the bus. */
  issue(bus: BusName): Promise<number>;
  /** From now on no commit with this token is accepted. Harmless when it is not valid any more. */
  revoke(bus: BusName, token: number): Promise<void>;
}

/** One holding of a lease: the controller fires `lost`, its identity says who holds. */
type Holding = AbortController;

interface Waiting {
  readonly proceed: (holding: Holding) => void;
  readonly refuse: (reason: Error) => void;
}

interface Line {
  holding: Holding;
  readonly waiting: Waiting[];
}

/**
 * Leases for engines that live in one process: whoever asks first holds, the others wait in line.
 * A lease ends by release, by the deletion of its log or by the closing of the engine; only the
 * last two fire `lost`.
 */
export class LocalLeases implements Leases {
  readonly #tokens: LeaseTokens;
  readonly #lines = new Map<BusName, Line>();
  #isClosed = false;

  constructor(tokens: LeaseTokens) {
    this.#tokens = tokens;
  }

  async acquire(bus: BusName, signal: AbortSignal): Promise<Lease> {
    signal.throwIfAborted();
    if (this.#isClosed) throw closed();
    const holding = await this.#holding(bus, signal);
    try {
      const token = await this.#tokens.issue(bus);
      holding.signal.throwIfAborted();
      if (signal.aborted) await this.#tokens.revoke(bus, token);
      signal.throwIfAborted();
      return this.#lease(bus, token, holding);
    } catch (error) {
      this.#pass(bus, holding);
      throw error;
    }
  }

  /** The log of the bus is gone: whoever holds or awaits its lease learns it. */
  drop(bus: BusName): void {
    const line = this.#lines.get(bus);
    if (line === undefined) return;
    this.#lines.delete(bus);
    endLine(line, new BrokerError("bus_not_found", `bus '${bus}' was deleted`));
  }

  close(): void {
    this.#isClosed = true;
    const lines = [...this.#lines.values()];
    this.#lines.clear();
    for (const line of lines) endLine(line, closed());
  }

  #holding(bus: BusName, signal: AbortSignal): Promise<Holding> {
    const line = this.#lines.get(bus);
    if (line !== undefined) return waitInLine(line, signal);
    const holding = new AbortController();
    this.#lines.set(bus, { holding, waiting: [] });
    return Promise.resolve(holding);
  }

  #lease(bus: BusName, token: number, holding: Holding): Lease {
    const lost = holding.signal;
    const release = async (): Promise<void> => {
      try {
        // After a drop or close the token is void already.
        if (!lost.aborted) await this.#tokens.revoke(bus, token);
      } finally {
        this.#pass(bus, holding);
      }
    };
    let released: Promise<void> | undefined;
    return { bus, token, lost, release: () => (released ??= release()) };
  }

  #pass(bus: BusName, holding: Holding): void {
    const line = this.#lines.get(bus);
    if (line === undefined || line.holding !== holding) return;
    const next = line.waiting.shift();
    if (next === undefined) {
      this.#lines.delete(bus);
      return;
    }
    line.holding = new AbortController();
    next.proceed(line.holding);
  }
}

function waitInLine(line: Line, signal: AbortSignal): Promise<Holding> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      const index = line.waiting.indexOf(waiting);
      if (index >= 0) line.waiting.splice(index, 1);
      reject(signal.reason as Error);
    };
    const waiting: Waiting = {
      proceed: (holding) => {
        signal.removeEventListener("abort", onAbort);
        resolve(holding);
      },
      refuse: (reason) => {
        signal.removeEventListener("abort", onAbort);
        reject(reason);
      },
    };
    line.waiting.push(waiting);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function endLine(line: Line, reason: BrokerError): void {
  line.holding.abort(reason);
  for (const waiting of line.waiting.splice(0)) waiting.refuse(reason);
}

function closed(): BrokerError {
  return new BrokerError("stopping", "the engine is closed");
}
