/** Consumers of every kind in this process, each with its own server; all can be healed. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What one kind of consumer does with one request; true = it has taken the events. */
type Behaviour = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface FarEndKind {
  readonly name: string;
  readonly behaviour: Behaviour;
  /** Beside bus, sink and the defaults. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
  /** Offsets whose end is a dead letter, and never anything else. */
  readonly isPoison?: (offset: number, id: number) => boolean;
}

const every = (share: number): boolean => Math.random() < share;
const block = Buffer.alloc(16_384, "x");

function answer(response: ServerResponse, status: number, headers = {}): boolean {
  response.writeHead(status, headers).end();
  return status < 300;
}

function raw(response: ServerResponse, text: string): boolean {
  response.socket?.end(text);
  return true;
}

function pour(response: ServerResponse, status: number): boolean {
  response.writeHead(status);
  const more = (): void => {
    while (!response.destroyed && response.write(block));
  };
  response.on("drain", more).on("error", () => undefined);
  more();
  return status < 300;
}

function lateBy(response: ServerResponse, delayMs: number): boolean {
  setTimeout(() => answer(response, 204), delayMs);
  return true;
}

/** Any event without `must` makes the transformer fail: one of a hundred. */
export const lacksMust = (id: number): boolean => id % 100 === 13;
const isRefused = (offset: number): boolean => offset % 50 === 7;

const good: Behaviour = (_request, response) => answer(response, 204);

export const kinds: readonly FarEndKind[] = [
  { name: "good", behaviour: good },
  { name: "slow", behaviour: (_request, response) => lateBy(response, 100) },
  { name: "hanging", behaviour: () => false },
  {
    name: "flapping",
    behaviour: ({ socket }, response) => {
      if (Date.now() % 10_000 < 5000) return answer(response, 204);
      socket.destroy();
      return false;
    },
  },
  {
    name: "resetting",
    behaviour: ({ socket }, response) => {
      if (!every(0.2)) return answer(response, 204);
      socket.resetAndDestroy();
      return true;
    },
  },
  {
    name: "garbage",
    behaviour: (_request, response) =>
      every(0.2) ? raw(response, "SOAK/9 what is this\r\n\r\n") : answer(response, 204),
  },
  {
    name: "late",
    behaviour: (_request, response) => lateBy(response, every(0.02) ? 2500 : 0),
  },
  {
    name: "lying",
    behaviour: (_request, response) =>
      every(0.2)
        ? raw(response, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthat is all")
        : answer(response, 204),
  },
  {
    name: "endless",
    behaviour: (_request, response) =>
      every(0.05) ? pour(response, every(0.5) ? 200 : 500) : answer(response, 204),
  },
  {
    name: "busy",
    behaviour: (_request, response) =>
      every(0.02) ? answer(response, 429, { "retry-after": "1" }) : answer(response, 204),
  },
  {
    name: "picky",
    behaviour: ({ headers }, response) =>
      answer(response, isRefused(Number(headers["millrace-offset"])) ? 400 : 204),
    isPoison: isRefused,
  },
  {
    name: "poisoned",
    behaviour: good,
    settings: { transformer: { template: { must: "${$.data.must}" }, onMissing: "fail" } },
    isPoison: (_offset, id) => lacksMust(id),
  },
  {
    name: "ordered",
    behaviour: (_request, response) => answer(response, every(0.05) ? 500 : 204),
    config: { ordering: { by: "data.key" } },
  },
  {
    name: "batches",
    behaviour: (_request, response) => answer(response, every(0.05) ? 500 : 204),
    settings: { protocolsettings: { format: "batch" } },
  },
];

/** One consumer: what it took, and how often it was asked. */
export class FarEnd implements AsyncDisposable {
  readonly kind: FarEndKind;
  readonly taken: Set<number> = new Set();
  readonly #server: Server;
  readonly #highestOfKey: Map<string, number> = new Map();
  readonly outOfOrder: string[] = [];
  requests = 0;
  isHealed = false;

  constructor(kind: FarEndKind) {
    this.kind = kind;
    this.#server = createServer((request, response) => this.#receive(request, response));
    this.#server.keepAliveTimeout = 60_000;
  }

  async start(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** Takes everything from now on; what hangs is let go of. */
  heal(): void {
    this.isHealed = true;
    if (this.kind.isPoison === undefined) this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
    request.on("end", () => {
      this.requests += 1;
      const isGood = this.isHealed && this.kind.isPoison === undefined;
      if (!(isGood ? good : this.kind.behaviour)(request, response)) return;
      const { headers } = request;
      const offsets = String(headers["millrace-offsets"] ?? headers["millrace-offset"]);
      for (const offset of offsets.split(",")) this.#took(Number(offset), Buffer.concat(chunks));
    });
  }

  #took(offset: number, body: Buffer): void {
    assert(Number.isInteger(offset), "each request says what it carries");
    if (this.taken.has(offset)) return;
    this.taken.add(offset);
    if (this.kind.name !== "ordered") return;
    const { key } = JSON.parse(body.toString()) as { key: string };
    const highest = this.#highestOfKey.get(key) ?? -1;
    if (offset < highest) this.outOfOrder.push(`${offset} of ${key} after ${highest}`);
    this.#highestOfKey.set(key, offset);
  }
}
