import type { IncomingMessage, ServerResponse } from "node:http";
import { Type } from "typebox";
import { mediaTypes, paths } from "../api/routes.ts";
import type { Broker, ImportCounts, ImportFailure } from "../broker/broker.ts";
import { EventImport, refusalError } from "../broker/broker.ts";
import type { CloudEvent } from "../event/event.ts";
import { readEventObject, readJsonBody } from "../event/json-format.ts";
import { assert } from "../kernel/assert.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { BodyWatch, WatchedBody } from "./body-watch.ts";
import type { RouteContext } from "./route-context.ts";
import { problem } from "./documents.ts";
import { isMarkedAsJson } from "./event-lines.ts";
import { refuseEarly } from "./respond.ts";
import { routePath } from "./route-path.ts";

export interface ImportDoorOptions {
  readonly broker: Broker;
  readonly watch: BodyWatch;
  readonly stopping: AbortSignal;
}

/**
 * `POST …/import`, before any framework: a body of any length, read no faster than the log stores
 * it, in constant memory.
 */
export class ImportDoor {
  readonly #options: ImportDoorOptions;
  #running = 0;

  constructor(options: ImportDoorOptions) {
    this.#options = options;
  }

  handle(request: IncomingMessage, response: ServerResponse, busName: string): void {
    const refusal = this.#refusal(request, busName);
    const bus = this.#options.broker.buses.running(busName);
    if (refusal !== undefined || bus === undefined) {
      const shown = busName.slice(0, limits.nameLengthMax);
      const missing = new BrokerError("bus_not_found", `there is no bus '${shown}'`);
      refuseEarly(request, response, refusal ?? missing);
      return;
    }
    const { broker, watch, stopping } = this.#options;
    this.#running += 1;
    const onStopping = (): void => events.fail(stoppingError());
    const events = new EventImport({
      bus,
      publisher: broker.publisher,
      clock: broker.clock,
      readLine,
      onRoom: () => {
        watch.resume(watched);
        request.resume();
      },
      onDone: (counts, failure) => {
        stopping.removeEventListener("abort", onStopping);
        watch.remove(watched);
        this.#running -= 1;
        answer({ request, response }, counts, failure);
      },
    });
    const watched: WatchedBody = watch.addEndless(request, response, (error) => events.fail(error));
    stopping.addEventListener("abort", onStopping, { once: true });
    readBody(request, events, { pause: () => watch.pause(watched) });
  }

  #refusal(request: IncomingMessage, busName: string): BrokerError | undefined {
    if (this.#options.broker.buses.running(busName) === undefined) return undefined;
    if (this.#running >= limits.importsMax) {
      const detail = `there are ${limits.importsMax} imports already (importsMax)`;
      return new BrokerError("overloaded", detail);
    }
    const encoding = request.headers["content-encoding"];
    if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
      const shown = JSON.stringify(encoding.slice(0, 100));
      const detail = `the content encoding ${shown} is not supported: send the lines uncompressed`;
      return new BrokerError("unsupported_content_type", detail);
    }
    const type = request.headers["content-type"];
    if (type?.split(";", 1)[0]?.trim().toLowerCase() === mediaTypes.lines) return undefined;
    const sent = type === undefined ? "no Content-Type" : JSON.stringify(type.slice(0, 200));
    const detail = `an import takes a body of ${mediaTypes.lines}, not ${sent}`;
    return new BrokerError("unsupported_content_type", detail);
  }
}

function readBody(
  request: IncomingMessage,
  events: EventImport,
  watch: { readonly pause: () => void },
): void {
  request.on("data", (chunk: Buffer) => {
    if (events.write(chunk)) return;
    request.pause();
    watch.pause();
  });
  request.once("end", () => events.end());
  request.once("close", () => {
    // Cut off: the lines that came whole are stored, the client has no answer to go by.
    if (!request.complete) events.fail(new BrokerError("invalid_request", "the body broke off"));
  });
}

function stoppingError(): BrokerError {
  return new BrokerError("stopping", "the broker is stopping");
}

function readLine(line: Buffer): CloudEvent {
  const reading = readJsonBody(line, 1);
  if (!reading.ok) throw refusalError(reading);
  const event = readEventObject(reading.body, reading.body.document.root);
  if (!event.ok) throw refusalError(event);
  return impliedJson(event.event, line);
}

function impliedJson(event: CloudEvent, line: Buffer): CloudEvent {
  const { data, datacontenttype, dataIsImpliedJson } = event;
  if (data === undefined || datacontenttype !== undefined || dataIsImpliedJson) return event;
  return isMarkedAsJson(line) ? { ...event, dataIsImpliedJson: true } : event;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function answer(
  { request, response }: Exchange,
  counts: ImportCounts,
  failure: ImportFailure | undefined,
): void {
  if (response.headersSent || response.destroyed) return;
  if (failure !== undefined) {
    const { line } = failure;
    const error = explained(failure, counts);
    refuseEarly(request, response, error, {
      advice: adviceOf(error),
      ...counts,
      ...(line === undefined ? {} : { line }),
    });
    return;
  }
  const body = Buffer.from(JSON.stringify(counts));
  response.writeHead(200, {
    "content-type": mediaTypes.json,
    "content-length": String(body.length),
  });
  response.end(body);
}

/** The same error, with the line to blame and what has been stored before it. */
function explained({ error, line }: ImportFailure, counts: ImportCounts): BrokerError {
  const where = line === undefined ? "" : `line ${line}: `;
  const stored = `; ${counts.lines} lines before it were imported`;
  const detail = `${where}${error.message}${line === undefined ? storedSoFar(counts) : stored}`;
  const violations = error.violations.map(({ path, code, message }) => ({
    path,
    code,
    message: `${where}${message}`,
  }));
  return new BrokerError(error.code, detail, {
    violations,
    cause: error,
    ...(error.retryAfterSeconds === undefined
      ? {}
      : { retryAfterSeconds: error.retryAfterSeconds }),
  });
}

/** The advice of a publish says that nothing was stored; here lines may have been stored before. */
function adviceOf({ facts }: BrokerError): string {
  return facts.advice.replace("nothing was stored", "nothing more was stored");
}

function storedSoFar({ lines }: ImportCounts): string {
  return `; ${lines} lines were imported before`;
}

/** The bus of an import path; undefined for any other. */
export function busOfImportPath(url: string): string | undefined {
  const query = url.indexOf("?");
  const path = query === -1 ? url : url.slice(0, query);
  if (!path.startsWith("/v1/buses/") || !path.endsWith("/import")) return undefined;
  const name = path.slice("/v1/buses/".length, -"/import".length);
  return name === "" || name.includes("/") ? undefined : name;
}

/** The route as fastify knows it: for /openapi.json and the Allow header. */
export function importDocuments({ app }: RouteContext): void {
  app.post(routePath(paths.import), { schema: document }, () => {
    assert(false, "imports are answered by the import door");
  });
}

const counts = {
  lines: Type.Integer({ minimum: 0, description: "lines with an event" }),
  imported: Type.Integer({ minimum: 0 }),
  duplicates: Type.Integer({ minimum: 0, description: "events that the bus had already" }),
  first: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  next: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
};

const failed = Type.Intersect([
  problem,
  Type.Partial(Type.Object({ ...counts, line: Type.Integer({ minimum: 1 }) })),
]);

const document = {
  summary: "Import events from JSON lines",
  description:
    "One structured event a line, in a body of any length; blank lines are skipped. Events are stored in " +
    "order while the body arrives, and what an error answers says how many lines were stored before it.",
  tags: ["buses"],
  body: { content: { [mediaTypes.lines]: { schema: Type.String() } } },
  response: {
    200: Type.Object(counts),
    ...Object.fromEntries(
      [400, 404, 408, 409, 413, 415, 429, 503, 507].map((status) => [status, failed]),
    ),
  },
};
