import { Type } from "typebox";
import type { BlockedDecision } from "../../api/api.ts";
import { paths, subscriptionPath } from "../../api/routes.ts";
import { BrokerError } from "../../kernel/errors.ts";
import type { RouteContext } from "../route-context.ts";
import {
  problem,
  seekInput,
  subscription,
  subscriptionInput,
  subscriptionPatch,
  subscriptionStatus,
} from "../documents.ts";
import {
  listQueryOf,
  parameter,
  preconditionOf,
  sendPage,
  sendVersioned,
  wholeNumber,
} from "../request.ts";
import { routePath } from "../route-path.ts";

export function subscriptionRoutes({ app, broker }: RouteContext): void {
  const { subscriptions } = broker;
  app.get(paths.subscriptions, { schema: documents.list }, (request, reply) =>
    sendPage(request, reply, subscriptions.list(listQueryOf(request))),
  );
  app.post(paths.subscriptions, { schema: documents.create }, async (request, reply) => {
    const made = await subscriptions.create(request.body ?? {});
    reply.code(201).header("location", subscriptionPath(made.value.id));
    return sendVersioned(reply, made);
  });
  const path = routePath(paths.subscription);
  app.get(path, { schema: documents.get }, (request, reply) =>
    sendVersioned(reply, subscriptions.get(parameter(request, "id"))),
  );
  app.put(path, { schema: documents.put }, async (request, reply) => {
    const id = parameter(request, "id");
    const made = await subscriptions.put(id, request.body ?? {}, preconditionOf(request));
    if (made.isNew) reply.code(201).header("location", subscriptionPath(id));
    return sendVersioned(reply, made);
  });
  app.patch(path, { schema: documents.patch }, async (request, reply) => {
    const id = parameter(request, "id");
    const patch = request.body ?? {};
    return sendVersioned(reply, await subscriptions.patch(id, patch, preconditionOf(request)));
  });
  app.delete(path, { schema: documents.delete }, (request) =>
    subscriptions.delete(parameter(request, "id"), preconditionOf(request)),
  );
  for (const [verb, paused] of [
    [paths.pause, true],
    [paths.resume, false],
  ] as const) {
    app.post(routePath(verb), { schema: documents.pause }, async (request, reply) =>
      sendVersioned(reply, await subscriptions.setPaused(parameter(request, "id"), paused)),
    );
  }
  app.post(routePath(paths.seek), { schema: documents.seek }, async (request, reply) =>
    reply.send(await subscriptions.seek(parameter(request, "id"), request.body)),
  );
  app.post(routePath(paths.unblock), { schema: documents.unblock }, async (request, reply) => {
    const range = { min: 0, max: Number.MAX_SAFE_INTEGER, absent: 0 };
    const offset = wholeNumber("offset", parameter(request, "offset"), range);
    const decision = decisionOf(parameter(request, "decision"));
    return reply.send(await subscriptions.unblock(parameter(request, "id"), offset, decision));
  });
  app.get(routePath(paths.status), { schema: documents.status }, (request, reply) =>
    reply.send(subscriptions.status(parameter(request, "id"))),
  );
  installOptions(app);
}

const decisions: readonly BlockedDecision[] = ["skip", "retry", "dead-letter"];

function decisionOf(text: string): BlockedDecision {
  const decision = decisions.find((one) => one === text);
  if (decision !== undefined) return decision;
  const detail = `'${text.slice(0, 100)}' is no decision about a blocked event; known: ${decisions.join(", ")}`;
  throw new BrokerError("invalid_request", detail);
}

/** CloudEvents Subscriptions API: OPTIONS says which operations exist. */
function installOptions(app: RouteContext["app"]): void {
  const schema = { summary: "Which methods exist", tags: ["subscriptions"] };
  app.options(paths.subscriptions, { schema }, (_request, reply) =>
    reply.header("allow", "GET, HEAD, OPTIONS, POST").send(),
  );
  app.options(routePath(paths.subscription), { schema }, (_request, reply) =>
    reply.header("allow", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT").send(),
  );
}

const tags = ["subscriptions"];
const documents = {
  list: { summary: "List subscriptions", tags, response: { 200: Type.Array(subscription) } },
  create: {
    summary: "Create a subscription",
    tags,
    body: subscriptionInput,
    response: { 201: subscription, 400: problem },
  },
  get: { summary: "Get a subscription", tags, response: { 200: subscription, 404: problem } },
  put: {
    summary: "Create a subscription with an id of your choice, or change it",
    tags,
    body: subscriptionInput,
    response: { 200: subscription, 201: subscription, 400: problem, 412: problem },
  },
  patch: {
    summary: "Change some members of a subscription",
    tags,
    body: subscriptionPatch,
    response: { 200: subscription, 400: problem, 404: problem, 412: problem },
  },
  delete: {
    summary: "Delete a subscription",
    tags,
    response: { 200: subscription, 404: problem, 412: problem },
  },
  pause: {
    summary: "Stop attempting, or go on",
    tags,
    response: { 200: subscription, 404: problem },
  },
  seek: {
    summary: "Read again from another point, or pass over what lies before it",
    description:
      "Closes the generation and begins the next one at the goal. What was not settled below the " +
      "goal counts as skipped, what lies at or above it is read again. Durable when answered.",
    tags,
    body: seekInput,
    response: { 200: subscriptionStatus, 400: problem, 404: problem },
  },
  unblock: {
    summary: "Move the event that blocks its key: skip, retry or dead-letter",
    description:
      'With ordering.onFailure "block" an event whose retries are used up holds its key until ' +
      "somebody decides. retry begins its retries anew. Durable when answered.",
    tags,
    response: { 200: subscriptionStatus, 400: problem, 404: problem, 409: problem },
  },
  status: {
    summary: "Where it stands and what became of each event",
    tags,
    response: { 200: subscriptionStatus, 404: problem },
  },
};
