import { paths } from "../../api/routes.ts";
import type { RouteContext } from "../route-context.ts";
import { playgroundInput, playgroundOutput, problem } from "../documents.ts";

export function playgroundRoutes({ app, broker }: RouteContext): void {
  app.post(paths.playground, { schema: document }, (request) =>
    broker.playground.run(request.body),
  );
}

const document = {
  summary: "Dry run: what a subscription would do with these events; nothing is stored or sent",
  tags: ["playground"],
  body: playgroundInput,
  response: { 200: playgroundOutput, 400: problem },
};
