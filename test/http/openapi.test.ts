/** /openapi.json tells the truth: real answers fit its schemas, and every route is in it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Compile } from "typebox/compile";
import type { TSchema } from "typebox";
import type { HttpBroker } from "../support/http-broker.ts";
import { binaryHeaders, startHttpBroker } from "../support/http-broker.ts";

interface Operation {
  readonly responses: Readonly<
    Record<string, { content?: Readonly<Record<string, { schema: TSchema }>> }>
  >;
}
interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

let broker: HttpBroker;
let document: OpenApi;
before(async () => {
  broker = await startHttpBroker({ buses: ["default"], config: { allowPrivateSinks: true } });
  document = (await broker.fetch("GET", "/openapi.json")).json<OpenApi>();
  const body = { bus: "default", protocol: "HTTP", sink: "http://127.0.0.1:9/" };
  await broker.fetch("PUT", "/v1/subscriptions/sub", { body });
  await broker.fetch("POST", "/v1/buses/default/events", { headers: binaryHeaders(), body: "x" });
});
after(() => broker.stop());

test("it is OpenAPI 3.1 and holds every path of the contract", () => {
  assert.equal(document.openapi, "3.1.0");
  const wanted: Readonly<Record<string, readonly string[]>> = {
    "/v1/buses": ["get"],
    "/v1/buses/{bus}": ["get", "put", "delete"],
    "/v1/buses/{bus}/events": ["get", "post", "options"],
    "/v1/buses/{bus}/events/{offset}": ["get"],
    "/v1/buses/{bus}/events/stream": ["get"],
    "/v1/buses/{bus}/export": ["get"],
    "/v1/buses/{bus}/import": ["post"],
    "/gateway/{bus}": ["post"],
    "/namespaces/default/eventbus/{bus}/events": ["post"],
    "/v1/subscriptions": ["get", "post", "options"],
    "/v1/subscriptions/{id}": ["get", "put", "patch", "delete", "options"],
    "/v1/subscriptions/{id}/pause": ["post"],
    "/v1/subscriptions/{id}/resume": ["post"],
    "/v1/subscriptions/{id}/status": ["get"],
    "/v1/subscriptions/{id}/dead-letters": ["get"],
    "/v1/subscriptions/{id}/dead-letters/{letter}": ["get", "delete"],
    "/v1/sources": ["get"],
    "/v1/sources/{name}": ["get", "put", "delete"],
    "/hooks/{source}": ["post"],
    "/v1/playground": ["post"],
    "/health/live": ["get"],
    "/health/ready": ["get"],
    "/metrics": ["get"],
  };
  for (const [path, methods] of Object.entries(wanted)) {
    const operations = Object.keys(document.paths[path] ?? {});
    for (const method of methods) assert.ok(operations.includes(method), `${method} ${path}`);
  }
});

const samples: readonly {
  readonly method: string;
  readonly template: string;
  readonly path?: string;
  readonly body?: unknown;
}[] = [
  { method: "GET", template: "/v1/buses" },
  { method: "GET", template: "/v1/buses/{bus}", path: "/v1/buses/default" },
  { method: "GET", template: "/v1/buses/{bus}", path: "/v1/buses/nobody" },
  { method: "PUT", template: "/v1/buses/{bus}", path: "/v1/buses/fresh", body: {} },
  {
    method: "PUT",
    template: "/v1/buses/{bus}",
    path: "/v1/buses/once",
    body: { deduplication: {} },
  },
  { method: "PUT", template: "/v1/buses/{bus}", path: "/v1/buses/wrong", body: { a: 1 } },
  { method: "DELETE", template: "/v1/buses/{bus}", path: "/v1/buses/default" },
  { method: "GET", template: "/v1/buses/{bus}/events", path: "/v1/buses/default/events" },
  {
    method: "GET",
    template: "/v1/buses/{bus}/events/{offset}",
    path: "/v1/buses/default/events/0",
  },
  { method: "GET", template: "/v1/subscriptions" },
  { method: "GET", template: "/v1/subscriptions/{id}", path: "/v1/subscriptions/sub" },
  { method: "POST", template: "/v1/subscriptions", body: {} },
  {
    method: "GET",
    template: "/v1/subscriptions/{id}/status",
    path: "/v1/subscriptions/sub/status",
  },
  { method: "GET", template: "/v1/sources" },
  { method: "GET", template: "/v1/sources/{name}", path: "/v1/sources/nobody" },
  { method: "GET", template: "/health/live" },
  { method: "GET", template: "/health/ready" },
  {
    method: "POST",
    template: "/v1/playground",
    body: { events: [{ specversion: "1.0", id: "1", source: "/s", type: "t" }] },
  },
];
for (const { method, template, path = template, body } of samples) {
  test(`the answer to ${method} ${path} with ${JSON.stringify(body) ?? "no body"} fits its schema`, async () => {
    const answer = await broker.fetch(method, path, body === undefined ? {} : { body });
    const operation = document.paths[template]?.[method.toLowerCase()];
    const response = operation?.responses[String(answer.status)];
    assert.ok(response, `${answer.status} is documented`);
    const [content] = Object.values(response.content ?? {});
    assert.ok(content, "its body is documented");
    const check = Compile(content.schema);
    const errors = [...check.Errors(answer.json())];
    assert.deepEqual(errors, [], answer.text);
  });
}
