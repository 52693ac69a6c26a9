import assert from "node:assert/strict";
import { test } from "node:test";

import { findSinkKind, sinkKinds } from "../../src/connector/sinks.ts";
import { makeContext } from "./support.ts";

const context = makeContext({ allowPrivateSinks: false });

function violations(protocol: string, sink: unknown, protocolsettings: unknown): string[] {
  const kind = findSinkKind(protocol);
  assert.ok(kind !== undefined);
  return kind
    .validate({ sink, protocolsettings }, context)
    .map(({ path, code }) => `${path} ${code}`);
}

const url = "https://good.example/hook";

const settings: readonly (readonly [unknown, readonly string[]])[] = [
  [undefined, []],
  [{}, []],
  [{ method: "PATCH", format: "structured", headers: { "X-Team": "blue" } }, []],
  [[], ["protocolsettings wrong_type"]],
  [{ format: "batch" }, []],
  [{ format: "batch", batch: { maxEvents: 10, maxBytes: 1000, lingerMs: 0 } }, []],
  [{ batch: { maxEvents: 5 } }, ["protocolsettings.batch invalid_value"]],
  [{ format: "xml" }, ["protocolsettings.format invalid_value"]],
  [{ method: "GET" }, ["protocolsettings.method invalid_value"]],
  [{ method: 5 }, ["protocolsettings.method invalid_value"]],
  [{ colour: "red" }, ["protocolsettings.colour unknown_member"]],
  [{ headers: "x" }, ["protocolsettings.headers wrong_type"]],
  [{ headers: { X: 1 } }, ["protocolsettings.headers.X invalid_value"]],
  [{ headers: { "X-A": "a\r\nHost: b" } }, ['protocolsettings.headers["X-A"] invalid_value']],
  [{ headers: { X: "日本" } }, ["protocolsettings.headers.X invalid_value"]],
  [{ headers: { "a b": "c" } }, ['protocolsettings.headers["a b"] invalid_value']],
  [{ headers: { x: "1", X: "2" } }, ["protocolsettings.headers.X invalid_value"]],
  [{ headers: { x: "y".repeat(9000) } }, ["protocolsettings.headers too_long"]],
];
for (const [input, expected] of settings) {
  test(`protocolsettings ${JSON.stringify(input)?.slice(0, 60)}: ${expected.join() || "fine"}`, () => {
    assert.deepEqual(violations("HTTP", url, input), expected);
  });
}

const forbidden =
  "Host Content-Length Transfer-Encoding Connection Keep-Alive TE Trailer Upgrade Expect " +
  "Proxy-Connection Content-Type Content-Encoding ce-id CE-Type webhook-signature millrace-offset";
for (const name of forbidden.split(" ")) {
  test(`the header ${name} cannot be chosen`, () => {
    const headers = { [name]: "x" };
    const found = findSinkKind("HTTP")?.validate(
      { sink: url, protocolsettings: { headers } },
      context,
    );
    assert.equal(found?.length, 1);
    assert.match(found[0]?.message ?? "", /set by the broker/);
  });
}

test("everything that is wrong is listed at once, the sink included", () => {
  const bad = { method: "GET", colour: 1, headers: { Host: "x", "ce-id": "y" } };
  assert.deepEqual(violations("HTTP", "ftp://u:p@10.0.0.1/", bad), [
    "sink invalid_sink",
    "protocolsettings.method invalid_value",
    "protocolsettings.colour unknown_member",
    "protocolsettings.headers.Host invalid_value",
    'protocolsettings.headers["ce-id"] invalid_value',
  ]);
  assert.deepEqual(violations("HTTP", undefined, {}), ["sink wrong_type"]);
});

test("a slack-webhook takes headers only", () => {
  assert.deepEqual(violations("slack-webhook", url, { headers: { "X-A": "b" } }), []);
  assert.deepEqual(violations("slack-webhook", url, { format: "binary", method: "PUT" }), [
    "protocolsettings.format unknown_member",
    "protocolsettings.method unknown_member",
  ]);
});

test("each protocol has a name of its own and a summary", () => {
  assert.deepEqual(
    sinkKinds.map(({ name }) => name),
    ["HTTP", "slack-webhook"],
  );
  assert.ok(sinkKinds.every(({ summary }) => summary.length > 10));
  assert.equal(findSinkKind("http"), undefined);
});
