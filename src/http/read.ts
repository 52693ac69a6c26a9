import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { headerNames, mediaTypes, paths } from "../api/routes.ts";
import type { ReadPage } from "../broker/broker.ts";
import { encodeBatch } from "../event/batch.ts";
import { encodeStructured } from "../event/json-format.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { RouteContext } from "./route-context.ts";
import { event, problem } from "./documents.ts";
import { parameter, queryOf, wholeNumber } from "./request.ts";
import { routePath } from "./route-path.ts";

/** Reading a bus without a subscription. */
export function readRoutes({ app, broker, stopping }: RouteContext): void {
  app.get(routePath(paths.events), { schema: documents.list }, async (request, reply) => {
    const query = readQueryOf(request);
    const gone = goneSignal(reply, stopping);
    const page = await broker.reader.read(parameter(request, "bus"), { ...query, signal: gone });
    return sendBatch(reply, page);
  });
  app.get(routePath(paths.event), { schema: documents.get }, async (request, reply) => {
    const offset = parameter(request, "offset");
    if (!/^\d{1,16}$/.test(offset)) {
      throw new BrokerError("not_found", `there is nothing at …/events/${offset.slice(0, 100)}`);
    }
    queryOf(request, []);
    const found = await broker.reader.get(parameter(request, "bus"), Number(offset));
    return sendBytes(reply, mediaTypes.event, encodeStructured(found));
  });
}

interface ReadQuery {
  readonly from: string;
  readonly limit: number;
  readonly waitMs: number;
}

function readQueryOf(request: FastifyRequest): ReadQuery {
  const query = queryOf(request, ["from", "limit", "waitMs", "filter"]);
  if (query["filter"] !== undefined) {
    throw new BrokerError("not_supported_yet", "filter is not supported when reading yet", {
      violations: [{ path: "filter", code: "not_supported_yet", message: "leave it out" }],
    });
  }
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

function sendBatch(reply: FastifyReply, page: ReadPage): FastifyReply {
  reply.header(headerNames.offsets, page.offsets.join(","));
  reply.header(headerNames.nextOffset, String(page.next));
  if (page.gaps.length > 0) {
    reply.header(headerNames.gap, page.gaps.map(({ from, to }) => `${from}-${to}`).join(","));
  }
  return sendBytes(reply, mediaTypes.batch, encodeBatch(page.events));
}

function sendBytes(reply: FastifyReply, contentType: string, bytes: Uint8Array): FastifyReply {
  return reply.type(contentType).send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

const tags = ["events"];
const documents = {
  list: {
    summary: "Read events from a position on",
    tags,
    querystring: Type.Object({
      from: Type.Optional(
        Type.String({ description: "an offset, earliest (default), latest or an RFC 3339 time" }),
      ),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.readEventsMax })),
      waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.readWaitMsMax })),
    }),
    response: {
      200: { content: { [mediaTypes.batch]: { schema: Type.Array(event) } } },
      400: problem,
      404: problem,
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
