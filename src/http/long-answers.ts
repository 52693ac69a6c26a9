import type { ServerResponse } from "node:http";
import type { Clock, Disposable } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

/** An answer that is sent piece by piece, for as long as its reader likes. */
export interface LongAnswer {
  readonly kind: "stream" | "export";
  readonly response: ServerResponse;
  /** The socket, or the memory of all long answers, has room again. */
  onRoom(): void;
  onSweep(now: number): void;
  onClosed(): void;
}

interface Watched {
  readonly response: ServerResponse;
  sentBytes: number;
  /** When the socket last took something, or had nothing to take. */
  movedAt: number;
}

/**
 * Keeps answers that are larger than a socket's buffer from costing more than their socket: it
 * counts them, bounds what they hold together, and cuts off readers that take nothing. One sweep a
 * second over all of them, no timer for each.
 */
export class LongAnswers {
  readonly #clock: Clock;
  readonly #sweeper: Disposable;
  readonly #watched: Set<Watched> = new Set<Watched>();
  readonly #open: Map<LongAnswer, number> = new Map<LongAnswer, number>();
  readonly #starved: Set<LongAnswer> = new Set<LongAnswer>();
  readonly #counts: Record<LongAnswer["kind"], number> = { stream: 0, export: 0 };
  #heldBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sweeper = clock.every(limits.answerSweepIntervalMs, () => this.#sweep());
  }

  /** Cuts the connection when its reader takes nothing for answerStallMsMax. */
  watch(response: ServerResponse): void {
    const watched = { response, sentBytes: 0, movedAt: this.#clock.monotonic() };
    this.#watched.add(watched);
    response.once("close", () => this.#watched.delete(watched));
  }

  /** Throws when there are too many; call it before anything is sent. */
  refuseBeyond(kind: LongAnswer["kind"]): void {
    const [max, name] =
      kind === "stream" ? [limits.streamsMax, "streamsMax"] : [limits.exportsMax, "exportsMax"];
    if (this.#counts[kind] < max) return;
    throw new BrokerError("overloaded", `there are ${max} ${kind}s already (${name})`);
  }

  open(answer: LongAnswer): void {
    const { response } = answer;
    this.#counts[answer.kind] += 1;
    this.#open.set(answer, 0);
    this.watch(response);
    response.on("drain", () => {
      this.noteHeld(answer);
      answer.onRoom();
    });
    response.once("close", () => this.#close(answer));
  }

  /** To be called after writing: what the socket has not taken yet counts for all. */
  noteHeld(answer: LongAnswer): void {
    const before = this.#open.get(answer);
    if (before === undefined) return;
    const { writableLength } = answer.response;
    this.#open.set(answer, writableLength);
    this.#heldBytes += writableLength - before;
    this.#feed();
  }

  /** Whether the answer may make more bytes. After false its onRoom is called some time. */
  hasRoom(answer: LongAnswer): boolean {
    if (answer.response.writableNeedDrain) return false;
    if (this.#heldBytes < limits.streamBytesTotalMax) return true;
    this.#starved.add(answer);
    return false;
  }

  close(): void {
    this.#sweeper.dispose();
  }

  #close(answer: LongAnswer): void {
    const held = this.#open.get(answer);
    if (held === undefined) return;
    this.#open.delete(answer);
    this.#starved.delete(answer);
    this.#heldBytes -= held;
    this.#counts[answer.kind] -= 1;
    answer.onClosed();
    this.#feed();
  }

  #feed(): void {
    if (this.#starved.size === 0 || this.#heldBytes >= limits.streamBytesTotalMax) return;
    const starved = [...this.#starved];
    this.#starved.clear();
    for (const answer of starved) answer.onRoom();
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const watched of this.#watched) {
      if (!hasMoved(watched) && now - watched.movedAt >= limits.answerStallMsMax) {
        watched.response.destroy();
      } else if (watched.response.writableLength === 0 || hasMoved(watched)) {
        watched.movedAt = now;
        watched.sentBytes = sentBytes(watched.response);
      }
    }
    for (const answer of this.#open.keys()) answer.onSweep(now);
  }
}

function hasMoved({ response, sentBytes: before }: Watched): boolean {
  return response.writableLength === 0 || sentBytes(response) !== before;
}

/** What the kernel has taken: bytesWritten counts what still waits in memory too. */
function sentBytes({ socket }: ServerResponse): number {
  return socket === null ? 0 : socket.bytesWritten - socket.writableLength;
}
