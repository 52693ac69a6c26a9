import { Type } from "typebox";
import { paths, subscriptionPath } from "../../api/routes.ts";
import type { RouteContext } from "../route-context.ts";
import {
  problem,
  subscription,
  subscriptionInput,
  subscriptionPatch,
  subscriptionStatus,
} from "../documents.ts";
import { listQueryOf, parameter, preconditionOf, sendPage, sendVersioned } from "../request.ts";
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
  app.get(routePath(paths.status), { schema: documents.status }, (request, reply) =>
    reply.send(subscriptions.status(parameter(request, "id"))),
  );
  installOptions(app);
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
  status: {
    summary: "Where it stands and what became of each event",
    tags,
    response: { 200: subscriptionStatus, 404: problem },
  },
};
