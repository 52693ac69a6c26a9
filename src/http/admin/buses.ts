import { Type } from "typebox";
import { busPath, paths } from "../../api/routes.ts";
import type { RouteContext } from "../route-context.ts";
import { bus, busInput, problem } from "../documents.ts";
import {
  flagOf,
  listQueryOf,
  parameter,
  preconditionOf,
  queryOf,
  sendPage,
  sendVersioned,
} from "../request.ts";
import { routePath } from "../route-path.ts";

export function busRoutes({ app, broker }: RouteContext): void {
  const { buses } = broker;
  app.get(paths.buses, { schema: documents.list }, (request, reply) =>
    sendPage(request, reply, buses.list(listQueryOf(request))),
  );
  app.get(routePath(paths.bus), { schema: documents.get }, (request, reply) =>
    sendVersioned(reply, buses.get(parameter(request, "bus"))),
  );
  app.put(routePath(paths.bus), { schema: documents.put }, async (request, reply) => {
    const name = parameter(request, "bus");
    const made = await buses.put(name, request.body ?? {}, preconditionOf(request));
    if (made.isNew) reply.code(201).header("location", busPath(name));
    return sendVersioned(reply, made);
  });
  app.delete(routePath(paths.bus), { schema: documents.delete }, (request) => {
    const cascade = flagOf("cascade", queryOf(request, ["cascade"])["cascade"]);
    return buses.delete(parameter(request, "bus"), { cascade, ...preconditionOf(request) });
  });
}

const documents = {
  list: { summary: "List buses", tags: ["buses"], response: { 200: Type.Array(bus) } },
  get: { summary: "Get a bus", tags: ["buses"], response: { 200: bus, 404: problem } },
  put: {
    summary: "Create or change a bus",
    tags: ["buses"],
    body: busInput,
    response: { 200: bus, 201: bus, 400: problem, 412: problem },
  },
  delete: {
    summary: "Delete a bus with its events",
    tags: ["buses"],
    querystring: Type.Object({ cascade: Type.Optional(Type.Boolean()) }),
    response: { 200: bus, 404: problem, 409: problem, 412: problem },
  },
};
