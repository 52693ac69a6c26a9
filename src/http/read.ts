import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { headerNames, mediaTypes, paths } from "../api/routes.ts";
import type { ReadPage } from "../broker/broker.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { RouteContext } from "./route-context.ts";
import { event, problem } from "./documents.ts";
import {
  FILTER_PARAMETER,
  filterParameter,
  fromParameter,
  gapText,
  matcherOf,
} from "./read-query.ts";
import { parameter, queryOf, wholeNumber } from "./request.ts";
import { routePath } from "./route-path.ts";

/** Reading a bus without a subscription, page by page. */
export function readRoutes({ app, broker, stopping, answers }: RouteContext): void {
  app.get(routePath(paths.events), { schema: documents.list }, async (request, reply) => {
    const query = readQueryOf(request);
    const matcher = matcherOf(request);
    const signal = goneSignal(reply, stopping);
    const page = await broker.reader.read(parameter(request, "bus"), { ...query, matcher, signal });
    if (reply.raw.destroyed) page.release();
    else reply.raw.once("close", () => page.release());
    answers.watch(reply.raw);
    return sendPage(reply, page);
  });
  app.get(routePath(paths.event), { schema: documents.get }, async (request, reply) => {
    const offset = parameter(request, "offset");
    if (!/^\d{1,16}$/.test(offset)) {
      throw new BrokerError("not_found", `there is nothing at …/events/${offset.slice(0, 100)}`);
    }
    queryOf(request, []);
    const found = await broker.reader.get(parameter(request, "bus"), Number(offset));
    answers.watch(reply.raw);
    return reply.type(mediaTypes.event).send(found);
  });
}

interface ReadQuery {
  readonly from: string;
  readonly limit: number;
  readonly waitMs: number;
}

function readQueryOf(request: FastifyRequest): ReadQuery {
  const query = queryOf(request, ["from", "limit", "waitMs"], [FILTER_PARAMETER]);
  return {
    from: query["from"] ?? "earliest",
    limit: wholeNumber("limit", query["limit"], {
      min: 1,
      max: limits.readEventsMax,
      absent: limits.readEventsDefault,
    }),
    waitMs: wholeNumber("waitMs", query["waitMs"], {
      min: 0,
      max: limits.readWaitMsMax,
      absent: 0,
    }),
  };
}

/** Fires when nobody waits for the answer any more, or the server has no time to wait. */
function goneSignal(reply: FastifyReply, stopping: AbortSignal): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  return AbortSignal.any([gone.signal, stopping]);
}

/** More than this goes out piece by piece, so that a slow reader is seen to take some of it. */
const SENT_AT_ONCE_MAX = 65_536;

function sendPage(reply: FastifyReply, page: ReadPage): FastifyReply {
  reply.type(mediaTypes.batch);
  reply.header(headerNames.offsets, page.offsets.join(","));
  reply.header(headerNames.nextOffset, String(page.next));
  if (page.gaps.size > 0) reply.header(headerNames.gap, gapText(page.gaps));
  const pieces = page.body();
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (bytes <= SENT_AT_ONCE_MAX) return reply.send(Buffer.concat(pieces, bytes));
  reply.header("content-length", String(bytes));
  return reply.send(Readable.from(chunksOf(pieces), { objectMode: false }));
}

function* chunksOf(pieces: readonly Buffer[]): Generator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    waiting.push(piece);
    bytes += piece.length;
    if (bytes < SENT_AT_ONCE_MAX) continue;
    const joined = Buffer.concat(waiting, bytes);
    for (let at = 0; at < bytes; at += SENT_AT_ONCE_MAX) {
      yield joined.subarray(at, at + SENT_AT_ONCE_MAX);
    }
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting, bytes);
}

const tags = ["events"];
const readHeaders = {
  [headerNames.offsets]: Type.String({ description: "offset of each event, comma-separated" }),
  [headerNames.nextOffset]: Type.Integer({ description: "where to read on" }),
  [headerNames.gap]: Type.Optional(
    Type.String({ description: "offsets that hold no event any more: a-b,c-d, inclusive" }),
  ),
};
const documents = {
  list: {
    summary: "Read events from a position on",
    description:
      "With a filter a request looks at a bounded number of events: an answer may hold fewer than " +
      "limit, even none, with millrace-next-offset moved on; go on from there.",
    tags,
    querystring: Type.Object({
      from: fromParameter,
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.readEventsMax })),
      waitMs: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: limits.readWaitMsMax,
          description: "how long to wait for a first event that matches",
        }),
      ),
      filter: filterParameter,
    }),
    response: {
      200: {
        headers: readHeaders,
        content: { [mediaTypes.batch]: { schema: Type.Array(event) } },
      },
      400: problem,
      404: problem,
      429: problem,
    },
  },
  get: {
    summary: "Get the event at an offset",
    tags,
    response: {
      200: { content: { [mediaTypes.event]: { schema: event } } },
      404: problem,
      410: problem,
    },
  },
};
