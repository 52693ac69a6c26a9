import { Type } from "typebox";
import { paths } from "../../api/routes.ts";
import type { RouteContext } from "../route-context.ts";
import { deadLetter, problem } from "../documents.ts";
import { listQueryOf, parameter, queryOf, sendPage } from "../request.ts";
import { routePath } from "../route-path.ts";

export function deadLetterRoutes({ app, broker }: RouteContext): void {
  const { deadLetters } = broker;
  app.get(routePath(paths.deadLetters), { schema: documents.list }, async (request, reply) => {
    const query = listQueryOf(request);
    return sendPage(request, reply, await deadLetters.list(parameter(request, "id"), query));
  });
  app.get(routePath(paths.deadLetter), { schema: documents.get }, (request) => {
    queryOf(request, []);
    return deadLetters.get(parameter(request, "id"), parameter(request, "letter"));
  });
  app.delete(routePath(paths.deadLetter), { schema: documents.delete }, (request) =>
    deadLetters.delete(parameter(request, "id"), parameter(request, "letter")),
  );
}

const tags = ["dead letters"];
const documents = {
  list: {
    summary: "List the dead letters of a subscription, oldest first",
    tags,
    response: { 200: Type.Array(deadLetter), 404: problem },
  },
  get: { summary: "Get a dead letter", tags, response: { 200: deadLetter, 404: problem } },
  delete: {
    summary: "Delete a dead letter; its event counts as discarded",
    tags,
    response: { 200: deadLetter, 404: problem },
  },
};
