import { Type } from "typebox";
import { toProblem } from "../api/problems.ts";
import { mediaTypes, paths } from "../api/routes.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { RouteContext } from "./route-context.ts";
import { health, problem } from "./documents.ts";
import { problemHeaders } from "./respond.ts";

/** For probes and scrapers; `live` says the process answers, `ready` that it takes events. */
export function healthRoutes({ app, broker }: RouteContext): void {
  app.get(paths.live, { schema: documents.live }, (_request, reply) =>
    reply.send({ status: "live" }),
  );
  app.get(paths.ready, { schema: documents.ready }, (_request, reply) => {
    const facts = broker.health();
    if (facts.writable) return reply.send({ status: "ready", ...facts });
    const error = new BrokerError("storage_unavailable", facts.reason ?? "storage takes no events");
    return reply
      .code(503)
      .headers(problemHeaders(error))
      .send({ ...toProblem(error), ...facts });
  });
  app.get(paths.metrics, { schema: documents.metrics }, async (_request, reply) => {
    const { contentType, text } = await broker.metrics.expose();
    return reply
      .serializer((body: unknown) => body as string)
      .type(contentType)
      .send(text);
  });
  app.get(paths.openapi, { schema: { hide: true } }, (_request, reply) =>
    reply.type(mediaTypes.json).send(app.swagger()),
  );
}

const tags = ["operation"];
const documents = {
  live: {
    summary: "Whether the process answers",
    tags,
    security: [],
    response: { 200: Type.Object({ status: Type.Literal("live") }) },
  },
  ready: {
    summary: "Whether the broker takes events, and how durable a 2xx is",
    tags,
    security: [],
    response: { 200: health, 503: Type.Intersect([problem, health]) },
  },
  metrics: { summary: "Metrics in the Prometheus text format", tags },
};
