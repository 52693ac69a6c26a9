import { Type } from "typebox";
import { paths } from "../../api/routes.ts";
import type { RouteContext } from "../route-context.ts";
import { delayedEvent, problem } from "../documents.ts";
import { listQueryOf, parameter, queryOf, sendPage } from "../request.ts";
import { routePath } from "../route-path.ts";

/** Events that wait for their time. */
export function delayedRoutes({ app, broker }: RouteContext): void {
  const { delayed } = broker;
  app.get(routePath(paths.delayed), { schema: documents.list }, async (request, reply) => {
    const query = listQueryOf(request);
    return sendPage(request, reply, await delayed.list(parameter(request, "bus"), query));
  });
  app.get(routePath(paths.delayedEvent), { schema: documents.get }, (request) => {
    queryOf(request, []);
    return delayed.get(parameter(request, "bus"), parameter(request, "id"));
  });
  app.delete(routePath(paths.delayedEvent), { schema: documents.cancel }, (request) => {
    queryOf(request, []);
    return delayed.cancel(parameter(request, "bus"), parameter(request, "id"));
  });
}

const tags = ["delayed events"];
const documents = {
  list: {
    summary: "List the delayed events of a bus, in the order in which they are due",
    tags,
    response: { 200: Type.Array(delayedEvent), 400: problem, 404: problem },
  },
  get: {
    summary: "Get a delayed event",
    tags,
    response: { 200: delayedEvent, 404: problem },
  },
  cancel: {
    summary: "Cancel a delayed event: it is never appended",
    description:
      "404 `delayed_not_found` when there is none, or when it has been appended already.",
    tags,
    response: { 200: delayedEvent, 404: problem },
  },
};
