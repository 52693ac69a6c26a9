import type { IncomingMessage, ServerResponse } from "node:http";
import swagger from "@fastify/swagger";
import fastify from "fastify";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { toProblem } from "../api/problems.ts";
import { mediaTypes } from "../api/routes.ts";
import type { Broker } from "../broker/broker.ts";
import { BrokerError, toBrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { version } from "../kernel/version.ts";
import { attemptRoutes } from "./admin/attempts.ts";
import { busRoutes } from "./admin/buses.ts";
import { deadLetterRoutes } from "./admin/dead-letters.ts";
import { delayedRoutes } from "./admin/delayed.ts";
import { playgroundRoutes } from "./admin/playground.ts";
import { sourceRoutes } from "./admin/sources.ts";
import { subscriptionRoutes } from "./admin/subscriptions.ts";
import { exportRoutes } from "./export.ts";
import { healthRoutes } from "./health.ts";
import { hookRoutes } from "./hooks.ts";
import { importDocuments } from "./import.ts";
import type { LongAnswers } from "./long-answers.ts";
import { publishDocuments } from "./publish-documents.ts";
import { readRoutes } from "./read.ts";
import { problemHeaders } from "./respond.ts";
import type { RouteContext } from "./route-context.ts";
import { RouteTable } from "./route-table.ts";
import { streamRoutes } from "./stream.ts";
import { parseJson } from "./json-body.ts";

/** Everything but the hot publish path: fastify, told to answer our way. */
export interface App {
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Method and path template of every route, for tests that walk them all. */
  readonly routes: RouteTable;
  close(): Promise<void>;
}

export async function createApp(
  broker: Broker,
  stopping: AbortSignal,
  answers: LongAnswers,
): Promise<App> {
  const app = fastify({
    logger: false,
    bodyLimit: limits.adminBodyBytesMax,
    routerOptions: { maxParamLength: limits.pathParameterLengthMax },
    return503OnClosing: false,
    frameworkErrors: (thrown, request, reply) => void sendError(reply, translate(thrown, request)),
  });
  // Schemas document; resources are judged by the broker, which lists everything wrong at once.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  const routes = new RouteTable();
  app.addHook("onRoute", (route) => routes.add(route.method, route.url));
  installBodyParsers(app);
  installErrors(app, broker, routes);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Millrace",
        version,
        description:
          "An event broker that speaks CloudEvents. Errors are RFC 9457 problem details.",
      },
      // A broker on loopback may have no token.
      security: [{ bearer: [] }, {}],
      components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
    },
  });
  const context: RouteContext = { app, broker, stopping, answers };
  for (const register of [
    publishDocuments,
    readRoutes,
    streamRoutes,
    exportRoutes,
    importDocuments,
    busRoutes,
    delayedRoutes,
    subscriptionRoutes,
    deadLetterRoutes,
    attemptRoutes,
    sourceRoutes,
    playgroundRoutes,
    hookRoutes,
    healthRoutes,
  ]) {
    register(context);
  }
  await app.ready();
  return {
    handle: (request, response) => app.routing(request, response),
    routes,
    close: () => app.close(),
  };
}

/** Exactly JSON; merge-patch only where it means something. */
function installBodyParsers(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = (request: FastifyRequest, body: Buffer, done: ParserDone): void => {
    const isPatchType = request.headers["content-type"]?.startsWith(mediaTypes.mergePatch) === true;
    if (isPatchType && request.method !== "PATCH") done(unsupportedContentType(request));
    else done(...parseJson(body));
  };
  app.addContentTypeParser(mediaTypes.json, { parseAs: "buffer" }, parse);
  app.addContentTypeParser(mediaTypes.mergePatch, { parseAs: "buffer" }, parse);
}

type ParserDone = (error: Error | null, body?: unknown) => void;

function installErrors(app: FastifyInstance, broker: Broker, routes: RouteTable): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = translate(thrown, request);
    if (error.code === "internal") broker.reportInternal(error);
    return sendError(reply, error);
  });
  app.setNotFoundHandler((request, reply) => sendNotFound(request, reply, routes));
  // Before the body is read: what is wrong with it does not matter where there is nothing.
  app.addHook("onRequest", (request, reply, next) => {
    if (request.is404) sendNotFound(request, reply, routes);
    else next();
  });
}

function sendNotFound(
  request: FastifyRequest,
  reply: FastifyReply,
  routes: RouteTable,
): FastifyReply {
  const path = request.url.split("?", 1)[0] ?? "";
  const allow = routes.methodsOf(path);
  const shown = `${request.method} ${path.slice(0, limits.labelLengthMax)}`;
  if (allow.length === 0) {
    return sendError(reply, new BrokerError("not_found", `there is nothing at ${shown}`));
  }
  const detail = `${shown} does not exist; this path takes ${allow.join(", ")}`;
  return sendError(reply, new BrokerError("method_not_allowed", detail, { allow }));
}

function sendError(reply: FastifyReply, error: BrokerError): FastifyReply {
  return reply
    .code(error.facts.status)
    .headers(problemHeaders(error))
    .serializer((problem: unknown) => JSON.stringify(problem))
    .send(toProblem(error));
}

/** What fastify itself finds wrong, in our words. */
function translate(thrown: unknown, request: FastifyRequest): BrokerError {
  const code = typeof thrown === "object" && thrown !== null && "code" in thrown ? thrown.code : "";
  switch (code) {
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
    case "FST_ERR_CTP_INVALID_CONTENT_TYPE":
      return unsupportedContentType(request);
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new BrokerError(
        "request_too_large",
        "the request body is larger than this path takes",
      );
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return new BrokerError("invalid_request", "the body is not as long as Content-Length says");
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return new BrokerError("invalid_json", "the body is empty; send one JSON value");
    case "FST_ERR_BAD_URL":
    case "FST_ERR_MAX_PARAM_LENGTH":
      return new BrokerError("not_found", "the path is not well-formed or too long");
    default:
      return toBrokerError(thrown);
  }
}

function unsupportedContentType(request: FastifyRequest): BrokerError {
  const given = request.headers["content-type"];
  const types = [mediaTypes.json, ...(request.method === "PATCH" ? [mediaTypes.mergePatch] : [])];
  const sent = given === undefined ? "no Content-Type" : JSON.stringify(given.slice(0, 200));
  return new BrokerError(
    "unsupported_content_type",
    `${request.method} takes a body of ${types.join(" or ")} here, not ${sent}`,
  );
}
