import { Type } from "typebox";
import { paths } from "../../api/routes.ts";
import { limits } from "../../kernel/limits.ts";
import { attempt, problem } from "../documents.ts";
import { eventExplanation } from "../explain-document.ts";
import { attemptFilterParameters } from "../letter-documents.ts";
import { parameter, queryOf, sendPage, wholeNumber } from "../request.ts";
import type { RouteContext } from "../route-context.ts";
import { routePath } from "../route-path.ts";

/** What was tried, and what became of one event. */
export function attemptRoutes({ app, broker }: RouteContext): void {
  app.get(routePath(paths.attempts), { schema: documents.list }, async (request, reply) => {
    const names = Object.keys(attemptFilterParameters);
    const query = queryOf(request, ["limit", "after", ...names]);
    const range = { min: 1, max: limits.listItemsMax, absent: limits.listItemsDefault };
    const limit = wholeNumber("limit", query["limit"], range);
    const page = { limit, after: query["after"] };
    return sendPage(
      request,
      reply,
      await broker.attempts.list(parameter(request, "id"), page, query),
    );
  });
  app.get(routePath(paths.explain), { schema: documents.explain }, async (request, reply) => {
    const query = queryOf(request, ["limit", "after", "subscription"]);
    const { explainSubscriptionsMax: max, explainSubscriptionsDefault: absent } = limits;
    const limit = wholeNumber("limit", query["limit"], { min: 1, max, absent });
    const offsets = { min: 0, max: Number.MAX_SAFE_INTEGER, absent: 0 };
    const offset = wholeNumber("offset", parameter(request, "offset"), offsets);
    const { value, next } = await broker.explain.explain(parameter(request, "bus"), offset, {
      limit,
      after: query["after"],
      subscription: query["subscription"],
    });
    return sendPage(request, reply, { items: value.subscriptions, next }, value);
  });
}

const documents = {
  list: {
    summary: "Search the attempts of a subscription, newest first",
    description:
      "Every failure is kept and of the successes a sample, within the attemptLog limits of " +
      "spec/limits.md. An attempt shows here once it is stored, at most a second later.",
    tags: ["subscriptions"],
    querystring: Type.Object({
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.listItemsMax })),
      after: Type.Optional(Type.String({ description: "as the Link header says" })),
      ...attemptFilterParameters,
    }),
    response: { 200: Type.Array(attempt), 400: problem, 404: problem },
  },
  explain: {
    summary: "What became of an event, for every subscription of its bus, and why",
    description:
      "Answers for events that are not kept any more too, as far as something is known. The filters " +
      "are those of today, and so is the request.",
    tags: ["events"],
    querystring: Type.Object({
      subscription: Type.Optional(Type.String({ description: "only this one" })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.explainSubscriptionsMax })),
      after: Type.Optional(Type.String({ description: "a subscription's id" })),
    }),
    response: { 200: eventExplanation, 400: problem, 404: problem },
  },
};
