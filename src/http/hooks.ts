import type { FastifyReply, FastifyRequest } from "fastify";
import { paths } from "../api/routes.ts";
import { limits } from "../kernel/limits.ts";
import type { RouteContext } from "./route-context.ts";
import { problem } from "./documents.ts";
import { parameter } from "./request.ts";
import { routePath } from "./route-path.ts";

/** Where webhook sources receive: the bytes as they came, whatever their content type. */
export function hookRoutes({ app, broker }: RouteContext): void {
  // A scope of its own, because a content type parser is for all routes of its scope.
  app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, parsed) => {
      parsed(null, body);
    });
    const options = { schema: document, bodyLimit: limits.webhookBodyBytesMax };
    scope.post(routePath(paths.hook), options, async (request, reply) => {
      const answer = await broker.sources.receive(parameter(request, "source"), {
        method: request.method,
        headers: headersOf(request),
        query: queryOf(request),
        body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
      });
      return sendAnswer(reply, answer);
    });
    done();
  });
}

interface HookAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: string;
}

function sendAnswer(reply: FastifyReply, { status, contentType, body }: HookAnswer): FastifyReply {
  reply.code(status).serializer((text: unknown) => text as string);
  if (contentType !== undefined) reply.type(contentType);
  return reply.send(body);
}

function headersOf(request: FastifyRequest): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  const raw = request.raw.rawHeaders;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? "").toLowerCase();
    if (!headers.has(name)) headers.set(name, raw[index + 1] ?? "");
  }
  return headers;
}

function queryOf(request: FastifyRequest): ReadonlyMap<string, string> {
  const query = request.url.indexOf("?");
  return new Map(query === -1 ? [] : new URLSearchParams(request.url.slice(query + 1)));
}

const document = {
  summary: "Receive a webhook; 2xx once its events are durable",
  tags: ["sources"],
  security: [],
  response: { 400: problem, 401: problem, 404: problem, 413: problem },
};
