import { Type } from "typebox";
import { paths, sourcePath } from "../../api/routes.ts";
import type { RouteContext } from "../route-context.ts";
import { problem, source, sourceInput } from "../documents.ts";
import { listQueryOf, parameter, preconditionOf, sendPage, sendVersioned } from "../request.ts";
import { routePath } from "../route-path.ts";

export function sourceRoutes({ app, broker }: RouteContext): void {
  const { sources } = broker;
  app.get(paths.sources, { schema: documents.list }, (request, reply) =>
    sendPage(request, reply, sources.list(listQueryOf(request))),
  );
  app.get(routePath(paths.source), { schema: documents.get }, (request, reply) =>
    sendVersioned(reply, sources.get(parameter(request, "name"))),
  );
  app.put(routePath(paths.source), { schema: documents.put }, async (request, reply) => {
    const name = parameter(request, "name");
    const made = await sources.put(name, request.body ?? {}, preconditionOf(request));
    if (made.isNew) reply.code(201).header("location", sourcePath(name));
    return sendVersioned(reply, made);
  });
  app.delete(routePath(paths.source), { schema: documents.delete }, (request) =>
    sources.delete(parameter(request, "name"), preconditionOf(request)),
  );
}

const tags = ["sources"];
const documents = {
  list: { summary: "List sources", tags, response: { 200: Type.Array(source) } },
  get: { summary: "Get a source", tags, response: { 200: source, 404: problem } },
  put: {
    summary: "Create or change a source",
    tags,
    body: sourceInput,
    response: { 200: source, 201: source, 400: problem, 412: problem },
  },
  delete: { summary: "Delete a source", tags, response: { 200: source, 404: problem } },
};
