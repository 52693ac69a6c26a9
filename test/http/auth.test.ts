import assert from "node:assert/strict";
import { request as sendRequest } from "node:http";
import { test } from "node:test";
import { createBroker } from "../../src/broker/broker.ts";
import { createApp } from "../../src/http/app.ts";
import { LongAnswers } from "../../src/http/long-answers.ts";
import { startHttpServer } from "../../src/http/server.ts";
import type { BrokerError } from "../../src/kernel/errors.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import { startHttpBroker } from "../support/http-broker.ts";

/** Every route of the server, with its parameters filled in. */
async function everyRoute(): Promise<{ method: string; path: string }[]> {
  const broker = await createBroker({ engine: "memory", logLevel: "silent" });
  const app = await createApp(broker, new AbortController().signal, new LongAnswers(broker.clock));
  const routes = app.routes.all().map(({ method, url }) => ({
    method,
    path: url.replace(":offset", "0").replace(/:\w+/g, "x"),
  }));
  await app.close();
  await broker.stop();
  return routes;
}

/** fetch may not set Host and Origin, so the matrix goes through node:http. */
function statusOf(
  broker: HttpBroker,
  route: { readonly method: string; readonly path: string },
  headers: Readonly<Record<string, string>>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const { method, path } = route;
    const options = { host: "127.0.0.1", port: broker.port, method, path, headers, agent: false };
    sendRequest(options, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    })
      .on("error", reject)
      .end();
  });
}

function isOpenToAll({ method, path }: { method: string; path: string }): boolean {
  if (path.startsWith("/health/") || path.startsWith("/hooks/")) return true;
  return method === "OPTIONS" && /\/events$|^\/gateway\//.test(path);
}

test("P8: with a token every route but probes, hooks and the handshake demands it", async () => {
  const routes = await everyRoute();
  assert.ok(routes.length >= 25, `${routes.length} routes`);
  await using broker = await startHttpBroker({ config: { token: "correct horse" } });
  for (const route of routes) {
    const where = `${route.method} ${route.path}`;
    const open = isOpenToAll(route);
    for (const authorization of [
      undefined,
      "Bearer wrong",
      "Basic Y29ycmVjdA==",
      "correct horse",
    ]) {
      const headers = authorization === undefined ? {} : { authorization };
      const status = await statusOf(broker, route, headers);
      assert.equal(status === 401, !open, `${where} with ${authorization ?? "nothing"}: ${status}`);
    }
  }
});

test("P8: the right token opens every route", async () => {
  const routes = await everyRoute();
  await using broker = await startHttpBroker({ config: { token: "T0ken-of-trust" } });
  for (const route of routes) {
    const headers = { authorization: "Bearer T0ken-of-trust" };
    const status = await statusOf(broker, route, headers);
    assert.notEqual(status, 401, `${route.method} ${route.path}`);
    assert.notEqual(status, 403, `${route.method} ${route.path}`);
  }
});

test("P8: on loopback without a token a foreign Host is 403 on every route but the hooks", async () => {
  const routes = await everyRoute();
  await using broker = await startHttpBroker();
  for (const route of routes) {
    const where = `${route.method} ${route.path}`;
    const isHook = route.path.startsWith("/hooks/");
    const status = await statusOf(broker, route, { host: "rebound.example:8080" });
    assert.equal(status === 403, !isHook, `${where}: ${status}`);
  }
});

test("P8: loopback names pass with any port", async () => {
  await using broker = await startHttpBroker();
  const route = { method: "GET", path: "/health/live" };
  for (const host of [
    "localhost",
    "localhost:1",
    "127.0.0.1:8080",
    "127.9.9.9",
    "[::1]:8080",
    "LOCALHOST",
    "a.localhost",
  ]) {
    assert.equal(await statusOf(broker, route, { host }), 200, host);
  }
  for (const host of [
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example",
    "[::2]",
    "0.0.0.0",
  ]) {
    assert.equal(await statusOf(broker, route, { host }), 403, host);
  }
});

test("P8: --insecure lets any Host in", async () => {
  await using broker = await startHttpBroker({ config: { insecure: true } });
  const route = { method: "GET", path: "/v1/buses" };
  assert.equal(await statusOf(broker, route, { host: "broker.example" }), 200);
});

test("P8: a foreign Origin is 403 always, the own one is not", async () => {
  const routes = await everyRoute();
  await using plain = await startHttpBroker({ config: { insecure: true } });
  for (const route of routes) {
    for (const origin of ["https://evil.example", "null", "http://localhost:1", "file://"]) {
      const status = await statusOf(plain, route, { host: "localhost:8080", origin });
      assert.equal(status, 403, `${route.method} ${route.path} from ${origin}`);
    }
  }
  const route = { method: "GET", path: "/v1/buses" };
  const own = { host: "localhost:8080", origin: "http://localhost:8080" };
  assert.equal(await statusOf(plain, route, own), 200);
  assert.equal(
    await statusOf(plain, route, { host: "b.example", origin: "https://b.example" }),
    200,
  );
});

test("P8: a broker beyond loopback without a token does not start", async () => {
  const broker = await createBroker({ engine: "memory", logLevel: "silent" });
  try {
    await assert.rejects(
      startHttpServer(broker, { host: "0.0.0.0", port: 0 }),
      (error: BrokerError) => {
        assert.equal(error.code, "invalid_config");
        assert.match(error.message, /--token/);
        assert.match(error.message, /--insecure/);
        return true;
      },
    );
  } finally {
    await broker.stop();
  }
});
