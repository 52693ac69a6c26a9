import { mediaTypes, paths } from "../../api/routes.ts";
import { playgroundInput, playgroundOutput, problem } from "../documents.ts";
import { parseJson } from "../json-body.ts";
import type { RouteContext } from "../route-context.ts";

export function playgroundRoutes({ app, broker }: RouteContext): void {
  void app.register((scope, _options, done) => {
    // The text is handed on, not the values: events are judged as they were written.
    scope.removeContentTypeParser(mediaTypes.json);
    const parseAs = { parseAs: "buffer" } as const;
    scope.addContentTypeParser<Buffer>(mediaTypes.json, parseAs, (_request, body, parsed) => {
      const [error] = parseJson(body);
      parsed(error, body.toString("utf8"));
    });
    scope.post<{ Body: string }>(paths.playground, { schema: document }, (request) =>
      broker.playground.run(request.body),
    );
    done();
  });
}

const document = {
  summary: "Dry run: what a subscription would do with these events; nothing is stored or sent",
  tags: ["playground"],
  body: playgroundInput,
  response: { 200: playgroundOutput, 400: problem },
};
