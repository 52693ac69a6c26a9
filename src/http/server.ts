import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Broker } from "../broker/broker.ts";
import { refuseUnsafeListening } from "../broker/config.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { createApp } from "./app.ts";
import type { App } from "./app.ts";
import { Gate } from "./auth.ts";
import { BodyWatch } from "./body-watch.ts";
import { answerOn, GracefulClose } from "./graceful-close.ts";
import { busOfImportPath, ImportDoor } from "./import.ts";
import { LongAnswers } from "./long-answers.ts";
import { busOfPublishPath, PublishDoor } from "./publish.ts";
import type { ListenOptions } from "./listen.ts";
import { listen } from "./listen.ts";
import { rawProblem, refuseEarly } from "./respond.ts";

export type { ListenOptions } from "./listen.ts";
export { assertCanListen } from "./listen.ts";

export interface HttpServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly port: number;
  /**
   * Takes no more connections, answers what is under way and what still arrives on open ones, up to
   * limits.stopAnswersMs, then closes every connection.
   */
  close(): Promise<void>;
}

/** Opens the HTTP door of a started broker; resolves once it accepts requests. */
export async function startHttpServer(broker: Broker, options: ListenOptions): Promise<HttpServer> {
  refuseUnsafeListening(broker.config, options.host);
  const stopping = new AbortController();
  const answers = new LongAnswers(broker.clock);
  const app = await createApp(broker, stopping.signal, answers);
  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    // Node would cut off imports too: the body watch keeps this time for all others.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.bodySweepIntervalMs,
    // The gate says in JSON what Node would say with an empty 400.
    requireHostHeader: false,
    noDelay: true,
  });
  server.maxConnections = limits.connectionsMax;
  // One more than is allowed: Node drops what is beyond in silence.
  server.maxHeadersCount = limits.headerCountMax + 1;
  const watch = new BodyWatch(broker.clock, ({ request, response }, error) => {
    refuseEarly(request, response, error);
  });
  const graceful = new GracefulClose(server);
  const { host: listenHost } = options;
  installHandlers({ server, broker, app, watch, host: listenHost, stopping: stopping.signal });
  const address = await listen(server, options);
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${host}:${address.port}`,
    port: address.port,
    close() {
      stopping.abort(new BrokerError("stopping", "the broker is stopping"));
      closing ??= graceful.close().then(() => {
        watch.close();
        answers.close();
        return app.close();
      });
      return closing;
    },
  };
}

interface Installation {
  readonly server: Server;
  readonly broker: Broker;
  readonly app: App;
  readonly watch: BodyWatch;
  readonly host: string;
  readonly stopping: AbortSignal;
}

function installHandlers(installation: Installation): void {
  const { server, broker, app, watch, host, stopping } = installation;
  const { token, insecure } = broker.config;
  const gate = new Gate({ token, insecure, host });
  const publishDoor = new PublishDoor({ broker, watch });
  const importDoor = new ImportDoor({ broker, watch, stopping });
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    // A busy client would otherwise keep its connection, and the server, open to the end.
    if (stopping.aborted) response.shouldKeepAlive = false;
    const refusal = gate.refusal(request);
    if (refusal !== undefined) {
      refuseEarly(request, response, refusal);
      return;
    }
    if (request.method === "POST") {
      const url = request.url ?? "";
      const bus = busOfPublishPath(url);
      const door = bus === undefined ? importDoor : publishDoor;
      const busName = bus ?? busOfImportPath(url);
      if (busName !== undefined) {
        if (stopping.aborted) refuseEarly(request, response, stopping.reason as BrokerError);
        else door.handle(request, response, busName);
        return;
      }
    }
    if (hasBody(request)) {
      const watched = watch.add(request, response);
      response.once("close", () => watch.remove(watched));
    }
    app.handle(request, response);
  };
  server.on("request", onRequest);
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    // A body that is declared too large is refused before it is sent.
    const declared = Number(request.headers["content-length"] ?? 0);
    const isImport = busOfImportPath(request.url ?? "") !== undefined;
    if (declared <= limits.webhookBodyBytesMax || isImport) response.writeContinue();
    onRequest(request, response);
  });
  server.on("clientError", onClientError);
}

function hasBody(request: IncomingMessage): boolean {
  const { headers } = request;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** What Node's parser refuses: answered in our words, then closed, for its framing is lost. */
function onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  const { bytesWritten } = socket as Socket;
  const isAnswering = answerOn(socket) !== undefined && bytesWritten > 0;
  if (error.code === "ECONNRESET" || !socket.writable || isAnswering) {
    socket.destroy();
    return;
  }
  socket.end(rawProblem(problemOfParser(error.code)));
}

function problemOfParser(code: string | undefined): BrokerError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new BrokerError(
        "too_many_headers",
        `the headers are larger than ${limits.headerBytesMax} bytes (headerBytesMax)`,
      );
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new BrokerError("request_too_large", "the chunk extensions are too large");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new BrokerError(
        "request_timeout",
        `the request was not complete after ${limits.requestTimeoutMs} ms, its headers after ${limits.headersTimeoutMs} ms`,
      );
    default:
      return new BrokerError(
        "invalid_request",
        `this is no valid HTTP request (${code ?? "unknown"})`,
      );
  }
}
