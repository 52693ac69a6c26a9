import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock, Disposable } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

type Refuse = (error: BrokerError) => void;

/** A request whose body is being read. */
export interface WatchedBody {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  startedAt: number;
  socketBytesAtStart: number;
  /** Undefined for a body of bounded length, which the watch refuses itself. */
  readonly refuseEndless: Refuse | undefined;
  isPaused: boolean;
}

/**
 * Cuts off bodies that trickle in: one sweep a second over those still being read, no timer per
 * request. A sender that stalls holds a connection and some memory, and a thousand of them would
 * hold a thousand. Most bodies have requestTimeoutMs in all. An endless one, an import, may take as
 * long as it likes, but has to keep up its rate over each bodyRateGraceMs in which it is read.
 */
export class BodyWatch {
  readonly #clock: Clock;
  readonly #bodies: Set<WatchedBody> = new Set<WatchedBody>();
  readonly #refuse: (body: WatchedBody, error: BrokerError) => void;
  readonly #sweeper: Disposable;

  constructor(clock: Clock, refuse: (body: WatchedBody, error: BrokerError) => void) {
    this.#clock = clock;
    this.#refuse = refuse;
    this.#sweeper = clock.every(limits.bodySweepIntervalMs, () => this.sweep());
  }

  add(request: IncomingMessage, response: ServerResponse): WatchedBody {
    return this.#add(request, response, undefined);
  }

  /** For a body of any length; `refuse` answers it. */
  addEndless(request: IncomingMessage, response: ServerResponse, refuse: Refuse): WatchedBody {
    return this.#add(request, response, refuse);
  }

  /** While nobody reads it, no body is slow. */
  pause(body: WatchedBody): void {
    body.isPaused = true;
  }

  resume(body: WatchedBody): void {
    body.isPaused = false;
    this.#restart(body);
  }

  remove(body: WatchedBody): void {
    this.#bodies.delete(body);
  }

  sweep(): void {
    const now = this.#clock.monotonic();
    for (const body of this.#bodies) {
      const elapsedMs = now - body.startedAt;
      if (elapsedMs < limits.bodyRateGraceMs || body.isPaused) continue;
      if (body.request.complete) {
        this.#bodies.delete(body);
        continue;
      }
      const error = slowness(body, elapsedMs);
      if (error === undefined) {
        if (body.refuseEndless !== undefined) this.#restart(body);
        continue;
      }
      this.#bodies.delete(body);
      if (body.refuseEndless === undefined) this.#refuse(body, error);
      else body.refuseEndless(error);
    }
  }

  close(): void {
    this.#sweeper.dispose();
    this.#bodies.clear();
  }

  #add(
    request: IncomingMessage,
    response: ServerResponse,
    refuseEndless: Refuse | undefined,
  ): WatchedBody {
    const body: WatchedBody = {
      request,
      response,
      startedAt: this.#clock.monotonic(),
      socketBytesAtStart: request.socket.bytesRead,
      refuseEndless,
      isPaused: false,
    };
    this.#bodies.add(body);
    return body;
  }

  #restart(body: WatchedBody): void {
    body.startedAt = this.#clock.monotonic();
    body.socketBytesAtStart = body.request.socket.bytesRead;
  }
}

function slowness(body: WatchedBody, elapsedMs: number): BrokerError | undefined {
  const bytes = body.request.socket.bytesRead - body.socketBytesAtStart;
  const seconds = Math.round(elapsedMs / 1000);
  if (bytes < (limits.bodyBytesPerSecondMin * elapsedMs) / 1000) {
    const detail =
      `${bytes} bytes of the body came in ${seconds} s; ` +
      `at least ${limits.bodyBytesPerSecondMin} a second are expected`;
    return new BrokerError("request_timeout", detail);
  }
  if (body.refuseEndless !== undefined || elapsedMs < limits.requestTimeoutMs) return undefined;
  const detail = `the request was not complete after ${seconds} s (requestTimeoutMs)`;
  return new BrokerError("request_timeout", detail);
}
