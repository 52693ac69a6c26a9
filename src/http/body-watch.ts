import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock, Disposable } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

/** A request whose body is being read. */
export interface WatchedBody {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly startedAt: number;
  readonly socketBytesAtStart: number;
}

/**
 * Cuts off bodies that trickle in: one sweep a second over those still being read, no timer per
 * request. A sender that stalls holds a connection and some memory, and a thousand of them would
 * hold a thousand.
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
    const body: WatchedBody = {
      request,
      response,
      startedAt: this.#clock.monotonic(),
      socketBytesAtStart: request.socket.bytesRead,
    };
    this.#bodies.add(body);
    return body;
  }

  remove(body: WatchedBody): void {
    this.#bodies.delete(body);
  }

  sweep(): void {
    const now = this.#clock.monotonic();
    for (const body of this.#bodies) {
      const elapsedMs = now - body.startedAt;
      if (elapsedMs < limits.bodyRateGraceMs) continue;
      if (body.request.complete) {
        this.#bodies.delete(body);
        continue;
      }
      const bytes = body.request.socket.bytesRead - body.socketBytesAtStart;
      if (bytes >= (limits.bodyBytesPerSecondMin * elapsedMs) / 1000) continue;
      this.#bodies.delete(body);
      const detail =
        `${bytes} bytes of the body came in ${Math.round(elapsedMs / 1000)} s; ` +
        `at least ${limits.bodyBytesPerSecondMin} a second are expected`;
      this.#refuse(body, new BrokerError("request_timeout", detail));
    }
  }

  close(): void {
    this.#sweeper.dispose();
    this.#bodies.clear();
  }
}
