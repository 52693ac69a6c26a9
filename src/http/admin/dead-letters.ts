import { Type } from "typebox";
import { headerNames, mediaTypes, paths, replayPath } from "../../api/routes.ts";
import { toBrokerError } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import { deadLetter, problem } from "../documents.ts";
import { letterFilterParameters, purged, redriveInput, replay } from "../letter-documents.ts";
import { LetterExport } from "../letter-export.ts";
import { listQueryOf, parameter, queryOf, sendPage, wholeNumber } from "../request.ts";
import type { RouteContext } from "../route-context.ts";
import { routePath } from "../route-path.ts";

const filterNames = Object.keys(letterFilterParameters);

export function deadLetterRoutes(context: RouteContext): void {
  const { app, broker } = context;
  const { deadLetters } = broker;
  app.get(routePath(paths.deadLetters), { schema: documents.list }, async (request, reply) => {
    const query = queryOf(request, ["limit", "after", ...filterNames]);
    const range = { min: 1, max: limits.listItemsMax, absent: limits.listItemsDefault };
    const limit = wholeNumber("limit", query["limit"], range);
    const page = { limit, after: query["after"] };
    return sendPage(request, reply, await deadLetters.list(parameter(request, "id"), page, query));
  });
  app.delete(routePath(paths.deadLetters), { schema: documents.purge }, async (request) => {
    const query = queryOf(request, ["limit", ...filterNames]);
    const range = { min: 1, max: Number.MAX_SAFE_INTEGER, absent: Number.MAX_SAFE_INTEGER };
    const max = wholeNumber("limit", query["limit"], range);
    return { purged: await deadLetters.purge(parameter(request, "id"), query, max) };
  });
  app.get(routePath(paths.deadLetter), { schema: documents.get }, (request) => {
    queryOf(request, []);
    return deadLetters.get(parameter(request, "id"), parameter(request, "letter"));
  });
  app.delete(routePath(paths.deadLetter), { schema: documents.delete }, (request) =>
    deadLetters.delete(parameter(request, "id"), parameter(request, "letter")),
  );
  installExport(context);
  installReplays(context);
}

function installExport({ app, broker, answers }: RouteContext): void {
  app.get(routePath(paths.deadLetterExport), { schema: documents.export }, (request, reply) => {
    const query = queryOf(request, filterNames);
    const letters = broker.deadLetters.each(parameter(request, "id"), query);
    if (request.method === "HEAD") return reply.header("content-type", mediaTypes.lines).send();
    answers.refuseBeyond("export");
    reply.hijack();
    new LetterExport(reply.raw, answers).pour(letters).catch((thrown: unknown) => {
      broker.reportInternal(toBrokerError(thrown));
      reply.raw.destroy();
    });
    return reply;
  });
}

function installReplays({ app, broker }: RouteContext): void {
  const { replays } = broker;
  app.post(
    routePath(paths.deadLetterRedrive),
    { schema: documents.redrive },
    async (request, reply) => {
      const id = parameter(request, "id");
      const begun = await replays.redrive(id, request.body ?? {});
      return reply.code(202).header("location", replayPath(id, begun.id)).send(begun);
    },
  );
  app.get(routePath(paths.replays), { schema: documents.replays }, (request, reply) =>
    sendPage(request, reply, replays.list(parameter(request, "id"), listQueryOf(request))),
  );
  app.get(routePath(paths.replay), { schema: documents.replay }, (request) => {
    queryOf(request, []);
    return replays.get(parameter(request, "id"), parameter(request, "replay"));
  });
  app.delete(routePath(paths.replay), { schema: documents.cancel }, (request) => {
    queryOf(request, []);
    return replays.cancel(parameter(request, "id"), parameter(request, "replay"));
  });
}

const tags = ["dead letters"];
const filterParameters = Type.Object({ ...letterFilterParameters });
const documents = {
  list: {
    summary: "List the dead letters of a subscription, oldest first",
    tags,
    querystring: Type.Object({
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.listItemsMax })),
      after: Type.Optional(Type.String()),
      ...letterFilterParameters,
    }),
    response: { 200: Type.Array(deadLetter), 400: problem, 404: problem },
  },
  purge: {
    summary: "Delete dead letters, all or those that pass; their events count as discarded",
    description: "Durable when answered. Letters that are made meanwhile stay.",
    tags,
    querystring: Type.Object({
      limit: Type.Optional(
        Type.Integer({ minimum: 1, description: "at most so many, the oldest first" }),
      ),
      ...letterFilterParameters,
    }),
    response: { 200: purged, 400: problem, 404: problem },
  },
  export: {
    summary: "Dead letters as JSON lines, oldest first",
    description:
      `A trailer ${headerNames.count} says how many there were. A connection that breaks off means ` +
      "that the export is not complete.",
    tags,
    querystring: filterParameters,
    response: {
      200: { content: { [mediaTypes.lines]: { schema: Type.String() } } },
      400: problem,
      404: problem,
      429: problem,
    },
  },
  get: { summary: "Get a dead letter", tags, response: { 200: deadLetter, 404: problem } },
  delete: {
    summary: "Delete a dead letter; its event counts as discarded",
    tags,
    response: { 200: deadLetter, 404: problem },
  },
  redrive: {
    summary: "Send dead letters again, to the same or to another sink",
    description: "Answers with the Location of a replay, which goes on by itself.",
    tags,
    body: redriveInput,
    response: { 202: replay, 400: problem, 404: problem, 429: problem },
  },
  replays: {
    summary: "List the replays of a subscription, the latest first",
    tags: ["replays"],
    response: { 200: Type.Array(replay), 404: problem },
  },
  replay: {
    summary: "How far a replay is",
    tags: ["replays"],
    response: { 200: replay, 404: problem },
  },
  cancel: {
    summary: "Cancel a replay; what it has taken up already goes on",
    tags: ["replays"],
    response: { 200: replay, 404: problem },
  },
};
