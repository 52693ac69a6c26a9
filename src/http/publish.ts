import type { IncomingMessage, ServerResponse } from "node:http";
import { headerNames, mediaTypes } from "../api/routes.ts";
import type { Broker, PublishCallback, PublishOutcome, RunningBus } from "../broker/broker.ts";
import { refusalError } from "../broker/broker.ts";
import { decodeBatch } from "../event/batch.ts";
import { decodeBinary, detectMode } from "../event/http-binding.ts";
import { decodeStructured } from "../event/json-format.ts";
import type { Offset } from "../kernel/ids.ts";
import { BrokerError, toBrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { BodyWatch, WatchedBody } from "./body-watch.ts";
import { refuseEarly, sendProblem } from "./respond.ts";

export interface PublishOptions {
  readonly broker: Broker;
  readonly watch: BodyWatch;
}

/** One publish under way. It hangs on its request, so that handlers are shared and not closures. */
interface Publication {
  readonly door: PublishDoor;
  readonly response: ServerResponse;
  readonly bus: RunningBus;
  readonly mode: "binary" | "structured" | "batch";
  readonly bytesMax: number;
  /** How long the events are to wait, as the publisher wrote it. */
  readonly delay: string | undefined;
  readonly watched: WatchedBody;
  /** The first chunk; nearly always the only one. */
  first: Buffer | undefined;
  rest: Buffer[] | undefined;
  bytes: number;
  state: "reading" | "appending" | "done";
}

const publication: unique symbol = Symbol("publication");

interface PublishRequest extends IncomingMessage {
  [publication]?: Publication;
}

const NO_BYTES = Buffer.alloc(0);

/**
 * `POST …/events`, before any framework: read the body within its limits, decode, append, answer
 * when it is durable. No promise and few objects per request (DESIGN.md §9).
 */
export class PublishDoor {
  readonly #broker: Broker;
  readonly #watch: BodyWatch;
  /** Bytes of bodies being read or waiting for their append, bounded over all connections. */
  #bytesInFlight = 0;

  constructor(options: PublishOptions) {
    this.#broker = options.broker;
    this.#watch = options.watch;
  }

  handle(request: PublishRequest, response: ServerResponse, busName: string): void {
    const bus = this.#broker.buses.running(busName);
    const refusal = bus === undefined ? noSuchBus(busName) : unsupportedEncoding(request);
    const mode = modeOf(request);
    if (bus === undefined || refusal !== undefined || mode instanceof BrokerError) {
      const error = refusal ?? (mode as BrokerError);
      refuseEarly(request, response, error);
      return;
    }
    const bytesMax = mode === "batch" ? limits.batchBytesMax : limits.eventBytesMax;
    const declared = Number(request.headers["content-length"] ?? 0);
    if (declared > bytesMax) {
      refuseEarly(request, response, tooLarge(mode, bytesMax));
      return;
    }
    if (this.#bytesInFlight + declared > limits.publishInFlightBytesMax) {
      refuseEarly(request, response, overloaded());
      return;
    }
    request[publication] = {
      door: this,
      response,
      bus,
      mode,
      bytesMax,
      delay: delayOf(request),
      watched: this.#watch.add(request, response),
      first: undefined,
      rest: undefined,
      bytes: 0,
      state: "reading",
    };
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("close", onClose);
  }

  take(request: PublishRequest, job: Publication, chunk: Buffer): void {
    job.bytes += chunk.length;
    this.#bytesInFlight += chunk.length;
    if (job.bytes > job.bytesMax) {
      this.giveUp(request, job, tooLarge(job.mode, job.bytesMax));
    } else if (this.#bytesInFlight > limits.publishInFlightBytesMax) {
      this.giveUp(request, job, overloaded());
    } else if (job.first === undefined) {
      job.first = chunk;
    } else if (job.rest === undefined) {
      job.rest = [job.first, chunk];
    } else {
      job.rest.push(chunk);
    }
  }

  /** The body is complete. */
  append(request: PublishRequest, job: Publication): void {
    this.#watch.remove(job.watched);
    job.state = "appending";
    const body = job.rest === undefined ? (job.first ?? NO_BYTES) : Buffer.concat(job.rest);
    job.first = undefined;
    job.rest = undefined;
    const startedAt = this.#broker.clock.monotonic();
    try {
      if (job.mode === "batch") this.#appendBatch(job, body, startedAt);
      else this.#appendOne(request, job, body, startedAt);
    } catch (error) {
      this.finish(job);
      const failure = toBrokerError(error);
      this.#broker.reportInternal(failure);
      sendProblem(job.response, failure);
    }
  }

  /** Gives back what the publish held; idempotent. */
  finish(job: Publication): void {
    if (job.state === "done") return;
    job.state = "done";
    this.#watch.remove(job.watched);
    this.#bytesInFlight -= job.bytes;
    job.first = undefined;
    job.rest = undefined;
  }

  giveUp(request: PublishRequest, job: Publication, error: BrokerError): void {
    this.finish(job);
    refuseEarly(request, job.response, error);
  }

  #appendOne(request: IncomingMessage, job: Publication, body: Buffer, startedAt: number): void {
    const decoded =
      job.mode === "binary" ? decodeBinary(request.rawHeaders, body) : decodeStructured(body);
    if (!decoded.ok) {
      this.finish(job);
      sendProblem(job.response, refusalError(decoded));
      return;
    }
    const settled: PublishCallback = (failure, first, outcome) => {
      this.finish(job);
      this.#broker.metrics.published(failure, storedCount(1, outcome), job.bytes, startedAt);
      if (failure === undefined) accept(job.response, first, outcome);
      else sendProblem(job.response, failure);
    };
    this.#broker.publisher.publishOne(job.bus, decoded.event, settled, job.delay);
  }

  #appendBatch(job: Publication, body: Buffer, startedAt: number): void {
    const decoded = decodeBatch(body);
    if (!decoded.ok) {
      this.finish(job);
      sendProblem(job.response, refusalError(decoded));
      return;
    }
    const { events } = decoded;
    const settled: PublishCallback = (failure, first, outcome) => {
      this.finish(job);
      const stored = storedCount(events.length, outcome);
      this.#broker.metrics.published(failure, stored, job.bytes, startedAt);
      if (failure === undefined)
        acceptBatch(job.response, { first, count: events.length, outcome });
      else sendProblem(job.response, failure);
    };
    this.#broker.publisher.publish(job.bus, events, settled, job.delay);
  }
}

function onData(this: PublishRequest, chunk: Buffer): void {
  const job = this[publication];
  if (job !== undefined && job.state === "reading") job.door.take(this, job, chunk);
}

function onEnd(this: PublishRequest): void {
  const job = this[publication];
  if (job !== undefined && job.state === "reading") job.door.append(this, job);
}

/** Cut off before its end: nothing was stored. After the end this is only the request's burial. */
function onClose(this: PublishRequest): void {
  const job = this[publication];
  if (job !== undefined && job.state === "reading") job.door.finish(job);
}

/** How many events of a publish are on the bus now that were not there before. */
function storedCount(count: number, outcome: PublishOutcome | undefined): number {
  if (outcome === undefined) return count;
  const delayed = outcome.delayed.filter((id) => id !== null).length;
  return count - outcome.duplicates.length - delayed;
}

/** One writeHead and no body: the cheapest answer Node can make. */
function accept(response: ServerResponse, offset: Offset, outcome?: PublishOutcome): void {
  if (response.destroyed) return;
  const headers = outcome === undefined ? plainHeaders(offset) : outcomeHeaders(outcome);
  response.writeHead(202, headers);
  response.end();
}

function plainHeaders(offset: Offset): string[] {
  return [headerNames.offset, String(offset), "content-length", "0"];
}

function outcomeHeaders({ offsets, duplicates, delayed }: PublishOutcome): string[] {
  const [id] = delayed;
  if (typeof id === "string") return [headerNames.delayed, id, "content-length", "0"];
  const headers = plainHeaders(offsets[0] ?? 0);
  return duplicates.length === 0 ? headers : [headerNames.duplicate, "true", ...headers];
}

interface BatchAnswer {
  readonly first: Offset;
  readonly count: number;
  readonly outcome: PublishOutcome | undefined;
}

function acceptBatch(response: ServerResponse, { first, count, outcome }: BatchAnswer): void {
  if (response.destroyed) return;
  const offsets = outcome?.offsets ?? Array.from({ length: count }, (_, index) => first + index);
  const duplicates = outcome?.duplicates ?? [];
  const delayed = outcome?.delayed.some((id) => id !== null) ? { delayed: outcome.delayed } : {};
  const body = JSON.stringify({ offsets, duplicates, ...delayed });
  response.writeHead(200, [
    "content-type",
    mediaTypes.json,
    "content-length",
    String(Buffer.byteLength(body)),
  ]);
  response.end(body);
}

/**
 * The bus of a publish path, Vanus's two among them; undefined for any other path. Percent-coding
 * is rare enough to be looked at only where it occurs.
 */
export function busOfPublishPath(url: string): string | undefined {
  const query = url.indexOf("?");
  const path = query === -1 ? url : url.slice(0, query);
  let name: string | undefined;
  if (path.startsWith("/v1/buses/") && path.endsWith("/events")) name = path.slice(10, -7);
  else if (path.startsWith("/gateway/")) name = path.slice(9);
  else if (path.startsWith("/namespaces/default/eventbus/") && path.endsWith("/events")) {
    name = path.slice(29, -7);
  }
  if (name === undefined || name === "" || name.includes("/")) return undefined;
  return name.includes("%") ? decodeName(name) : name;
}

function decodeName(name: string): string | undefined {
  try {
    return decodeURIComponent(name);
  } catch {
    // Not a name of anything: the path is answered with 404 like any other unknown one.
    return undefined;
  }
}

function modeOf(request: IncomingMessage): Publication["mode"] | BrokerError {
  const contentType = request.headers["content-type"];
  // Without ce- headers the binary decoder says best what is missing, so nobody looks for them here.
  const mode = detectMode(contentType, true);
  if (mode !== "unsupported") return mode === "none" ? "binary" : mode;
  const shown = JSON.stringify((contentType ?? "").slice(0, 200));
  return new BrokerError(
    "unsupported_content_type",
    `events do not come as ${shown} here: send ${mediaTypes.event}, ${mediaTypes.batch}, or binary ` +
      "mode with ce- headers and the data's own content type",
  );
}

/** Node joins a repeated header with commas, and then it is no duration any more. */
function delayOf(request: IncomingMessage): string | undefined {
  const delay = request.headers[headerNames.delay];
  return Array.isArray(delay) ? delay.join(", ") : delay;
}

function unsupportedEncoding(request: IncomingMessage): BrokerError | undefined {
  const encoding = request.headers["content-encoding"];
  if (encoding === undefined || encoding.toLowerCase() === "identity") return undefined;
  const shown = JSON.stringify(encoding.slice(0, 100));
  const detail = `the content encoding ${shown} is not supported: send the event uncompressed`;
  return new BrokerError("unsupported_content_type", detail);
}

function noSuchBus(name: string): BrokerError {
  const shown = name.slice(0, limits.nameLengthMax);
  return new BrokerError("bus_not_found", `there is no bus '${shown}'`);
}

function tooLarge(mode: Publication["mode"], bytesMax: number): BrokerError {
  if (mode === "batch") {
    const detail = `the batch is larger than ${bytesMax} bytes (batchBytesMax)`;
    return new BrokerError("batch_too_large", detail);
  }
  const detail = `the event is larger than ${bytesMax} bytes (eventBytesMax)`;
  return new BrokerError("event_too_large", detail);
}

function overloaded(): BrokerError {
  return new BrokerError(
    "overloaded",
    `publishes under way hold ${limits.publishInFlightBytesMax} bytes (publishInFlightBytesMax)`,
  );
}
