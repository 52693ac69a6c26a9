/** What the tests of sinks share: events, contexts, and servers that misbehave on purpose. */
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { IncomingMessage, RequestListener } from "node:http";
import { createServer as createHttpServer } from "node:http";

import type { OpenSink, Outcome, SinkDelivery } from "../../src/connector/sink.ts";
import type { SinkConfig, SinkContext, SinkContextOptions } from "../../src/connector/sinks.ts";
import { createSinkContext, findSinkKind } from "../../src/connector/sinks.ts";
import type { CloudEvent } from "../../src/event/event.ts";
import { noExtensions } from "../../src/event/event.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { silentLogger } from "../../src/kernel/logger.ts";

export function makeEvent(overrides: Partial<CloudEvent> = {}): CloudEvent {
  return {
    id: "e-1",
    source: "https://example.com/shop",
    type: "com.example.order.placed",
    subject: undefined,
    time: undefined,
    datacontenttype: "application/json",
    dataschema: undefined,
    extensions: noExtensions,
    data: Buffer.from('{"total":12}'),
    dataIsImpliedJson: false,
    ...overrides,
  };
}

export function makeDelivery(overrides: Partial<SinkDelivery> = {}): SinkDelivery {
  return {
    event: makeEvent(),
    subscription: "sub-1",
    bus: "default",
    offset: 7,
    attempt: 1,
    timeoutMs: 5000,
    ...overrides,
  };
}

export function makeContext(overrides: Partial<SinkContextOptions> = {}): SinkContext {
  return createSinkContext({
    allowPrivateSinks: true,
    clock: systemClock,
    logger: silentLogger,
    ...overrides,
  });
}

export interface TestSink extends AsyncDisposable {
  readonly sink: OpenSink;
  send(overrides?: Partial<SinkDelivery>): Promise<Outcome>;
  sendBatch(deliveries: readonly SinkDelivery[]): Promise<readonly Outcome[]>;
}

export function openSink(
  protocol: string,
  config: Partial<SinkConfig> & Pick<SinkConfig, "sink">,
  context: SinkContext = makeContext(),
): TestSink {
  const kind = findSinkKind(protocol);
  if (kind === undefined) throw new Error(`no protocol ${protocol}`);
  const defaults = { protocolsettings: {}, concurrency: 4, timeoutMs: 5000 };
  const sink = kind.open({ ...defaults, ...config }, context);
  return {
    sink,
    send: (overrides) =>
      new Promise((resolve) => {
        let hasReturned = false;
        sink.send(makeDelivery(overrides), (outcome) => {
          if (!hasReturned) throw new Error("settled before send had returned");
          resolve(outcome);
        });
        hasReturned = true;
      }),
    sendBatch: (deliveries) =>
      new Promise((resolve) => {
        let hasReturned = false;
        sink.sendBatch(deliveries, (outcomes) => {
          if (!hasReturned) throw new Error("settled before sendBatch had returned");
          resolve(outcomes);
        });
        hasReturned = true;
      }),
    [Symbol.asyncDispose]: () => sink.close(),
  };
}

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** How many connections were ever accepted. */
  readonly connects: () => number;
  readonly openSockets: ReadonlySet<Socket>;
}

/** A TCP server that does to each connection what the test says. */
export function rawServer(
  handle: (socket: Socket) => void,
  host = "127.0.0.1",
): Promise<TestServer> {
  return watch(createServer(handle), host);
}

/** Answers each request with these bytes, as soon as its header has come. */
export function answering(
  bytes: string,
  { thenEnd = true }: { readonly thenEnd?: boolean } = {},
): Promise<TestServer> {
  return rawServer((socket) => {
    socket.on("error", () => undefined); // The client may break off first; that is the test.
    socket.once("data", () => (thenEnd ? socket.end(bytes, "latin1") : socket.write(bytes)));
  });
}

export function httpServer(handle: RequestListener): Promise<TestServer> {
  return watch(createHttpServer(handle), "127.0.0.1");
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function watch(server: Server, host: string): Promise<TestServer> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on("connection", (socket) => {
    count += 1;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${host}:${port}/in?x=1`,
    connects: () => count,
    openSockets: sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
