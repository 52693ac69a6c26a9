/** Consumers of many moods, all in one server, and one with a server that dies and returns. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Random } from "../../src/kernel/random.ts";
import { eventually } from "../support/broker-process.ts";
import type { SubscriptionBook } from "./ledger.ts";
import { testEvent } from "./ledger.ts";

export type Mood = "steady" | "moody";

export class Sink implements AsyncDisposable {
  readonly #random: Random;
  readonly #server: Server;
  readonly #books: Map<string, { readonly book: SubscriptionBook; readonly mood: Mood }> =
    new Map();
  #port = 0;
  #open = 0;
  /** From now on every event is taken at once. */
  isHealed = false;

  constructor(random: Random) {
    this.#random = random;
    this.#server = createServer((request, response) => this.#receive(request, response));
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on("connection", (socket) => {
      this.#open++;
      socket.once("close", () => this.#open--);
    });
  }

  /** The address of a consumer that writes into this book. */
  add(book: SubscriptionBook, mood: Mood): string {
    this.#books.set(`/${book.name}`, { book, mood });
    return `http://127.0.0.1:${this.#port}/${book.name}`;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) =>
      this.#server.listen(this.#port, "127.0.0.1", () => resolve()),
    );
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** As a process that is killed: what was on its way to or from it is cut off. */
  async die(): Promise<void> {
    for (const { book } of this.#books.values()) book.die();
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Resolves when nothing that a dead broker sent can arrive any more. */
  async quiet(): Promise<void> {
    await eventually(
      () => this.#open === 0,
      () => `${this.#open} connections of a dead broker are open`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.die();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => undefined);
    request.on("end", () => {
      const known = this.#books.get(request.url ?? "");
      if (known === undefined) response.writeHead(410).end();
      else this.#answer(request, response, { ...known, body: Buffer.concat(chunks) });
    });
  }

  #answer(
    request: IncomingMessage,
    response: ServerResponse,
    { book, mood, body }: { book: SubscriptionBook; mood: Mood; body: Buffer },
  ): void {
    const id = decodeURIComponent(String(request.headers["ce-id"]));
    const offset = Number(request.headers["millrace-offset"]);
    const event = testEvent(id);
    if (!event.data.equals(body)) book.wrong.push(`${id} came with other bytes`);
    if (request.headers["ce-type"] !== event.type) book.wrong.push(`${id} came with another type`);
    const promised = book.bus.acknowledged.get(offset);
    if (promised !== undefined && promised !== id) book.wrong.push(`${offset}: ${promised}, ${id}`);
    const chance = this.isHealed || mood === "steady" ? 1 : this.#random.next();
    // Never answered: the broker gives up after its timeout.
    if (chance < 0.005) return;
    if (chance < 0.08) {
      response.writeHead(chance < 0.07 ? 500 : 503).end();
      return;
    }
    book.succeed(id);
    response.writeHead(204).end();
  }
}
