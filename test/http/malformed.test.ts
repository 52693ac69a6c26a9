/** The corpus of malformed HTTP: each case is refused or, where it is legal, answered once. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { limits } from "../../src/kernel/limits.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import { startHttpBroker } from "../support/http-broker.ts";

let broker: HttpBroker;
before(async () => {
  broker = await startHttpBroker({ buses: ["default"] });
});
after(() => broker.stop());

const get = "GET /health/live HTTP/1.1\r\n";
const post =
  "POST /v1/buses/default/events HTTP/1.1\r\nHost: localhost\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n";
const manyHeaders = Array.from(
  { length: limits.headerCountMax + 50 },
  (_, i) => `x${i}: 1\r\n`,
).join("");

const refused: readonly {
  readonly name: string;
  readonly request: string;
  readonly status: number;
}[] = [
  { name: "no Host", request: `${get}\r\n`, status: 400 },
  {
    name: "two Host headers",
    request: `${get}Host: localhost\r\nHost: localhost\r\n\r\n`,
    status: 400,
  },
  { name: "HTTP/1.0 without Host", request: "GET /health/live HTTP/1.0\r\n\r\n", status: 400 },
  {
    name: "Transfer-Encoding in HTTP/1.0",
    request: `${post.replace("HTTP/1.1", "HTTP/1.0")}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    status: 400,
  },
  {
    name: "Content-Length with Transfer-Encoding",
    request: `${post}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    status: 400,
  },
  {
    name: "two Content-Lengths",
    request: `${post}Content-Length: 1\r\nContent-Length: 2\r\n\r\na`,
    status: 400,
  },
  { name: "Content-Length +4", request: `${post}Content-Length: +4\r\n\r\nabcd`, status: 400 },
  { name: "Content-Length -1", request: `${post}Content-Length: -1\r\n\r\n`, status: 400 },
  { name: "Content-Length 0x4", request: `${post}Content-Length: 0x4\r\n\r\nabcd`, status: 400 },
  {
    name: "an overflowing Content-Length",
    request: `${post}Content-Length: 99999999999999999999\r\n\r\n`,
    status: 400,
  },
  {
    name: "Transfer-Encoding xchunked",
    request: `${post}Transfer-Encoding: xchunked\r\n\r\n`,
    status: 400,
  },
  {
    name: "Transfer-Encoding chunked, identity",
    request: `${post}Transfer-Encoding: chunked, identity\r\n\r\n`,
    status: 400,
  },
  { name: "a space before the colon", request: `${get}Host : localhost\r\n\r\n`, status: 400 },
  { name: "a folded header", request: `${get}Host: localhost\r\nx: a\r\n b\r\n\r\n`, status: 400 },
  { name: "NUL in a header", request: `${get}Host: localhost\r\nx: a\0b\r\n\r\n`, status: 400 },
  {
    name: "a space in a header name",
    request: `${get}Host: localhost\r\nx y: a\r\n\r\n`,
    status: 400,
  },
  { name: "an empty header name", request: `${get}Host: localhost\r\n: a\r\n\r\n`, status: 400 },
  { name: "a bare CR", request: `${get}Host: localhost\r\nx: a\rb\r\n\r\n`, status: 400 },
  {
    name: "a bad chunk size",
    request: `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    status: 400,
  },
  {
    name: "an overflowing chunk size",
    request: `${post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n`,
    status: 400,
  },
  { name: "the HTTP/2 preface", request: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: 400 },
  { name: "HTTP/3.0", request: "GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", status: 400 },
  {
    name: "a lower-case method",
    request: "get / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    status: 400,
  },
  { name: "an unknown method", request: "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", status: 400 },
  {
    name: "a TLS hello",
    request: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    status: 400,
  },
  {
    name: "a control byte in the target",
    request: "GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    status: 400,
  },
  {
    name: "an asterisk as target",
    request: "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    status: 400,
  },
  {
    name: "an absolute target of a foreign host",
    request: "GET http://evil.example/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
    status: 400,
  },
  {
    name: "headers beyond 80 KiB",
    request: `${get}Host: localhost\r\nx: ${"y".repeat(limits.headerBytesMax)}\r\n\r\n`,
    status: 431,
  },
  {
    name: "more than 1 000 headers",
    request: `${get}Host: localhost\r\n${manyHeaders}\r\n`,
    status: 431,
  },
  {
    name: "20 KB of chunk extension",
    request: `${post}Transfer-Encoding: chunked\r\n\r\n1;${"x".repeat(20_000)}\r\na\r\n0\r\n\r\n`,
    status: 413,
  },
];

for (const { name, request, status } of refused) {
  test(`${name} is answered ${status} as problem details and the connection closes`, async () => {
    const next = broker.broker.buses.require("default").log.bounds().next;
    const text = await broker.raw(Buffer.from(request, "latin1"), { halfClose: true });
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 200));
    assert.match(text, /application\/problem\+json/);
    assert.equal(broker.broker.buses.require("default").log.bounds().next, next);
  });
}

const accepted: readonly { readonly name: string; readonly request: string }[] = [
  {
    name: "an absolute target of our host",
    request: `GET http://localhost/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
  },
  {
    name: "Upgrade: h2c, which is ignored",
    request: `${get}Host: localhost\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n`,
  },
  { name: "HTTP/1.0 with Host", request: "GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n" },
];
for (const { name, request } of accepted) {
  test(`${name} is answered once`, async () => {
    const text = await broker.raw(request, { halfClose: true });
    assert.equal(text.match(/HTTP\/1\.1 200 /g)?.length, 1, text);
  });
}

test("a request that is never finished closes with the connection and harms nobody", async () => {
  const text = await broker.raw("GET /health/live HTTP/1.1\r\nHost: loc", { halfClose: true });
  assert.match(text, /^(?:HTTP\/1\.1 400 |$)/);
  const answer = await broker.fetch("GET", "/health/live");
  assert.equal(answer.status, 200);
});
