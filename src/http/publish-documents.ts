import { Type } from "typebox";
import { headerNames, mediaTypes, paths } from "../api/routes.ts";
import { assert } from "../kernel/assert.ts";
import { limits } from "../kernel/limits.ts";
import type { RouteContext } from "./route-context.ts";
import { event, problem } from "./documents.ts";
import { parameter } from "./request.ts";
import { routePath } from "./route-path.ts";

/**
 * The publish routes as fastify knows them: for /openapi.json and for the Allow header. The requests
 * themselves are answered by the publish door (publish.ts) before fastify sees them. The handshake
 * of the webhook specification is answered here.
 */
export function publishDocuments({ app, broker }: RouteContext): void {
  const publishPaths = [paths.events, paths.gateway, paths.vanusEvents];
  for (const path of publishPaths) {
    const isOurs = path === paths.events;
    const schema = isOurs ? documents.publish : { ...documents.publish, ...forVanus };
    app.post(routePath(path), { schema }, () => {
      assert(false, "publish requests are answered by the publish door");
    });
    app.options(routePath(path), { schema: documents.handshake }, (request, reply) => {
      broker.buses.require(parameter(request, "bus"));
      const origin = request.headers["webhook-request-origin"];
      reply.header("allow", isOurs ? "GET, HEAD, OPTIONS, POST" : "OPTIONS, POST");
      // Whoever may publish may also push; the rate is not limited (CloudEvents webhook §4.2).
      if (origin !== undefined) {
        reply.header("webhook-allowed-origin", origin).header("webhook-allowed-rate", "*");
      }
      return reply.send();
    });
  }
}

const tags = ["events"];
const forVanus = { summary: "Publish, for publishers written for Vanus" };
const documents = {
  publish: {
    summary: "Publish one event or a batch; answered once they are durable",
    description:
      "Binary mode: ce- headers, the data as the body, its type as Content-Type. A batch is all or " +
      `nothing, at most ${limits.batchEventsMax} events and ${limits.batchBytesMax} bytes; an event ` +
      `has at most ${limits.eventBytesMax} bytes.`,
    tags,
    headers: Type.Object({
      [headerNames.delay]: Type.Optional(
        Type.String({
          description:
            "how long the events are to wait (500ms, 10s, 5m, 1h, 7d or PT10S, at most 366 days); " +
            "an event with the attribute deliverytime waits for that time instead",
        }),
      ),
    }),
    body: {
      content: {
        [mediaTypes.event]: { schema: event },
        [mediaTypes.batch]: { schema: Type.Array(event, { maxItems: limits.batchEventsMax }) },
        "*/*": { schema: Type.Unknown() },
      },
    },
    response: {
      200: Type.Object({
        offsets: Type.Array(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]), {
          description: "null for an event that waits for its time",
        }),
        duplicates: Type.Array(Type.Integer({ minimum: 0 })),
        delayed: Type.Optional(
          Type.Array(Type.Union([Type.String(), Type.Null()]), {
            description: "ids of the events that wait; null for the others, absent when none does",
          }),
        ),
      }),
      202: {
        description: "stored",
        headers: {
          "millrace-offset": Type.Optional(Type.Integer({ minimum: 0 })),
          "millrace-delayed": Type.Optional(
            Type.String({ description: "the id of an event that waits; it has no offset yet" }),
          ),
          "millrace-duplicate": Type.Optional(
            Type.Literal("true", {
              description: "the bus had this event already; the offset is that of the original",
            }),
          ),
        },
        type: "null",
      },
      ...Object.fromEntries(
        [400, 401, 403, 404, 408, 409, 413, 415, 429, 431, 503, 507].map((status) => [
          status,
          problem,
        ]),
      ),
    },
  },
  handshake: {
    summary: "CloudEvents webhook validation handshake, as receiver",
    tags,
    security: [],
    response: { 404: problem },
  },
};
