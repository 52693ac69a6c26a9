/** A broker with its HTTP door in this process, and ways to talk to it, well-formed or not. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { createBroker } from "../../src/broker/broker.ts";
import type { Broker, BrokerParts } from "../../src/broker/broker.ts";
import type { BrokerConfig } from "../../src/broker/config.ts";
import { startHttpServer } from "../../src/http/server.ts";

export interface HttpBroker extends AsyncDisposable {
  readonly broker: Broker;
  readonly url: string;
  readonly port: number;
  fetch(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** Sends raw bytes and returns everything that comes back until the connection closes. */
  raw(text: string | Buffer, options?: { readonly halfClose?: boolean }): Promise<string>;
  stop(): Promise<void>;
}

export interface RequestOptions {
  /** Objects are sent as JSON unless a content type says otherwise. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON. */
  json<Value = Record<string, unknown>>(): Value;
}

export interface HttpBrokerOptions {
  readonly config?: Partial<BrokerConfig>;
  readonly parts?: BrokerParts;
  /** Buses to create. */
  readonly buses?: readonly string[];
}

export async function startHttpBroker(options: HttpBrokerOptions = {}): Promise<HttpBroker> {
  const config = { engine: "memory", logLevel: "silent", ...options.config } as const;
  const broker = await createBroker(config, options.parts);
  const server = await startHttpServer(broker, { host: "127.0.0.1", port: 0 });
  for (const name of options.buses ?? []) await broker.buses.put(name, {}, {});
  const stop = async (): Promise<void> => {
    await server.close();
    await broker.stop();
  };
  return {
    broker,
    url: server.url,
    port: server.port,
    fetch: (method, path, request) => send(`${server.url}${path}`, method, request),
    raw: (text, rawOptions) => sendRaw(server.port, text, rawOptions),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function send(url: string, method: string, options: RequestOptions = {}): Promise<Answer> {
  const { body, headers = {} } = options;
  const isPlain = typeof body === "string" || body instanceof Uint8Array;
  const type = headers["content-type"] ?? (isPlain ? undefined : "application/json");
  const answer = await fetch(url, {
    method,
    headers: {
      ...(body === undefined || type === undefined ? {} : { "content-type": type }),
      ...headers,
    },
    redirect: "manual",
    ...(body === undefined ? {} : { body: isPlain ? (body as string) : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    json: <Value>() => JSON.parse(text) as Value,
  };
}

async function sendRaw(
  port: number,
  text: string | Buffer,
  options: { readonly halfClose?: boolean } = {},
): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  if (options.halfClose === true) socket.end(text);
  else socket.write(text);
  return untilClosed(socket);
}

export async function untilClosed(socket: Socket): Promise<string> {
  let received = "";
  socket.setTimeout(10_000, () =>
    socket.destroy(new Error("the server neither answered nor closed")),
  );
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  await once(socket, "close");
  return received;
}

/** The headers of a small valid binary event. */
export function binaryHeaders(
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/test",
    "ce-type": "com.example.test",
    "content-type": "text/plain",
    ...extra,
  };
}

export function structuredEvent(
  extra: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return { specversion: "1.0", id: "1", source: "/test", type: "com.example.test", ...extra };
}

/** Asserts problem details of this status and code, and returns them. */
export function assertProblem(
  answer: Answer,
  status: number,
  code: string,
): { detail: string; errors: { path: string; code: string; message: string; index?: number }[] } {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
  const problem = answer.json<Record<string, unknown>>();
  assert.equal(problem["code"], code, answer.text);
  assert.equal(problem["status"], status);
  for (const member of ["type", "title", "detail", "advice"]) {
    assert.equal(typeof problem[member], "string", `${member} in ${answer.text}`);
  }
  return problem as never;
}
