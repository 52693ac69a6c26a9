import type { ServerResponse } from "node:http";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { mediaTypes, paths } from "../api/routes.ts";
import type { Broker, EventMatcher, EventPump, PumpSink } from "../broker/broker.ts";
import type { CloudEvent } from "../event/event.ts";
import { encodeStructured } from "../event/json-format.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { LongAnswer, LongAnswers } from "./long-answers.ts";
import type { RouteContext } from "./route-context.ts";
import { problem } from "./documents.ts";
import { onOneLine } from "./event-lines.ts";
import { FILTER_PARAMETER, filterParameter, fromParameter, matcherOf } from "./read-query.ts";
import { parameter, queryOf } from "./request.ts";
import { routePath } from "./route-path.ts";

/** A bus as Server-Sent Events. */
export function streamRoutes({ app, broker, stopping, answers }: RouteContext): void {
  app.get(routePath(paths.stream), { schema: document }, async (request, reply) => {
    const query = queryOf(request, ["from"], [FILTER_PARAMETER]);
    const matcher = matcherOf(request);
    const busName = parameter(request, "bus");
    const last = lastEventId(request);
    const asked = last === undefined ? (query["from"] ?? "earliest") : String(last + 1);
    const path = last === undefined ? "from" : LAST_EVENT_ID;
    const from = await broker.reader.position(busName, asked, path);
    if (stopping.aborted) throw new BrokerError("stopping", "the broker is stopping");
    answers.refuseBeyond("stream");
    if (request.method === "HEAD") return reply.headers(headers).send();
    reply.hijack();
    const isFromEarliest = asked === "earliest";
    const start: StreamStart = { busName, from, isFromEarliest, matcher };
    new EventStream({ broker, answers, stopping, response: reply.raw, start }).open();
    return reply;
  });
}

const LAST_EVENT_ID = "last-event-id";

/** Set by a client that was cut off; it goes on after that event, wherever it began. */
function lastEventId(request: FastifyRequest): Offset | undefined {
  const given = request.headers[LAST_EVENT_ID];
  if (given === undefined || given === "") return undefined;
  if (typeof given === "string" && /^\d{1,15}$/.test(given)) return Number(given);
  const message = `must be the offset of an event, not ${JSON.stringify(given.slice(0, 100))}`;
  throw new BrokerError("invalid_request", `Last-Event-ID ${message}`, {
    violations: [{ path: LAST_EVENT_ID, code: "invalid_position", message }],
  });
}

/** Proxies are told to pass each piece on as it comes. */
const headers = {
  "content-type": mediaTypes.stream,
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

interface StreamStart {
  readonly busName: string;
  readonly from: Offset;
  readonly isFromEarliest: boolean;
  readonly matcher: EventMatcher | undefined;
}

interface StreamOptions {
  readonly broker: Broker;
  readonly answers: LongAnswers;
  readonly stopping: AbortSignal;
  readonly response: ServerResponse;
  readonly start: StreamStart;
}

/**
 * One client of a stream. It holds at most one slice of the bus, and reads the next when its socket
 * has taken that one; while it is at the end it holds nothing but its connection.
 */
class EventStream implements PumpSink, LongAnswer {
  readonly kind = "stream";
  readonly response: ServerResponse;
  readonly #options: StreamOptions;
  readonly #pump: EventPump;
  readonly #bus: unknown;
  #pieces: (string | Buffer)[] = [];
  #wroteAt: number;
  /** The last id that the client has. */
  #toldId: Offset;

  constructor(options: StreamOptions) {
    const { broker, response, start } = options;
    this.#options = options;
    this.response = response;
    this.#bus = broker.reader.bus(start.busName);
    this.#wroteAt = broker.clock.monotonic();
    this.#toldId = start.from - 1;
    this.#pump = broker.reader.follow(
      start.busName,
      {
        from: start.from,
        to: undefined,
        matcher: start.matcher,
        limit: { records: limits.readTurnEventsMax, bytes: limits.streamTurnBytesMax },
      },
      this,
    );
  }

  open(): void {
    const { answers, stopping } = this.#options;
    answers.open(this);
    this.response.writeHead(200, headers);
    this.response.flushHeaders();
    stopping.addEventListener("abort", this.#end, { once: true });
    this.#pump.start();
  }

  event(offset: Offset, event: CloudEvent): void {
    this.#toldId = offset;
    this.#pieces.push(`id: ${offset}\ndata: `, onOneLine(encodeStructured(event)), "\n\n");
  }

  gap(gap: { readonly from: Offset; readonly to: Offset; readonly reason: string }): void {
    const { from, isFromEarliest } = this.#options.start;
    if (isFromEarliest && gap.reason === "trimmed" && gap.from <= from) return;
    this.#toldId = gap.to;
    this.#pieces.push(`id: ${gap.to}\nevent: gap\ndata: ${gap.from}-${gap.to}\n\n`);
  }

  flush(): void {
    if (this.#pieces.length === 0) return;
    const pieces = this.#pieces;
    this.#pieces = [];
    const bytes = pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece));
    this.#write(Buffer.concat(bytes));
  }

  isReady(): boolean {
    return this.#options.answers.hasRoom(this);
  }

  onRoom(): void {
    this.#pump.resume();
  }

  ended(): void {
    this.#end();
  }

  /** The client comes back with the last id it has; what failed is said by those who store. */
  failed(thrown: unknown): void {
    if (!(thrown instanceof BrokerError)) {
      const cause = thrown instanceof Error ? thrown : undefined;
      const error = new BrokerError("internal", String(thrown), { cause });
      this.#options.broker.reportInternal(error);
    }
    this.#end();
  }

  onSweep(now: number): void {
    const { broker, start } = this.#options;
    if (broker.reader.bus(start.busName) !== this.#bus) {
      this.#end();
    } else if (
      now - this.#wroteAt >= limits.streamHeartbeatMs &&
      !this.response.writableNeedDrain
    ) {
      this.#write(Buffer.from(this.#heartbeat()));
    }
  }

  onClosed(): void {
    this.#options.stopping.removeEventListener("abort", this.#end);
    this.#pump.close();
    this.#pieces = [];
  }

  /** Keeps proxies from closing, and tells how far a filter has looked, so that no client looks again. */
  #heartbeat(): string {
    const reached = this.#pump.position - 1;
    if (reached <= this.#toldId) return ":\n\n";
    this.#toldId = reached;
    return `:\nid: ${reached}\n\n`;
  }

  #write(bytes: Buffer): void {
    const { broker, answers } = this.#options;
    this.#wroteAt = broker.clock.monotonic();
    this.response.write(bytes);
    answers.noteHeld(this);
  }

  readonly #end = (): void => {
    this.#pump.close();
    this.response.end();
  };
}

const document = {
  summary: "Follow a bus as Server-Sent Events",
  description:
    "Each event has its offset as id and one structured event as data, on one line. Offsets that hold " +
    "no event any more come as an event named gap with the data a-b. A comment goes out every " +
    `${limits.streamHeartbeatMs / 1000} s. Last-Event-ID wins over from.`,
  tags: ["events"],
  querystring: Type.Object({ from: fromParameter, filter: filterParameter }),
  headers: Type.Object({
    [LAST_EVENT_ID]: Type.Optional(
      Type.String({ description: "the stream goes on after this offset" }),
    ),
  }),
  response: {
    200: { content: { [mediaTypes.stream]: { schema: Type.String() } } },
    400: problem,
    404: problem,
    429: problem,
    503: problem,
  },
};
