/** Sinks behind TLS, with a certificate that only those trust who are told to. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer as createHttpsServer } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import type { NameResolver } from "../../src/connector/name-resolver.ts";
import { certificate, privateKey } from "./certificate.ts";
import { httpServer, makeContext, openSink } from "./support.ts";

const loopback: NameResolver = {
  resolve: () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]),
};

interface TlsServer extends AsyncDisposable {
  readonly port: number;
  /** The body of each request that came through. */
  readonly seen: string[];
}

async function tlsServer(): Promise<TlsServer> {
  const seen: string[] = [];
  const server = createHttpsServer({ cert: certificate, key: privateKey }, (request, response) => {
    seen.push(request.url ?? "");
    request.resume();
    response.writeHead(204).end();
  });
  server.on("tlsClientError", () => undefined); // Whoever does not trust it breaks off.
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await promisify(server.close.bind(server))();
    },
  };
}

test("a self-signed certificate is refused, retried, and the error says what to do", async () => {
  await using server = await tlsServer();
  const context = makeContext({ resolver: loopback });
  await using sink = openSink("HTTP", { sink: `https://sink.test:${server.port}/` }, context);
  const outcome = await sink.send();
  assert.equal(outcome.outcome, "retry");
  assert.ok("error" in outcome);
  assert.equal(outcome.failure, "connect");
  assert.match(outcome.error, /^TLS with sink\.test:\d+ failed: self-signed certificate/);
  assert.match(outcome.error, /NODE_EXTRA_CA_CERTS/);
  assert.deepEqual(server.seen, []);
});

test("a plain HTTP server behind https:// is a failure of TLS", async () => {
  await using server = await httpServer((_request, response) => void response.end());
  const context = makeContext({ resolver: loopback });
  await using sink = openSink("HTTP", { sink: `https://sink.test:${server.port}/` }, context);
  const outcome = await sink.send();
  assert.ok("error" in outcome && outcome.outcome === "retry");
  assert.match(outcome.error, /^TLS with sink\.test:\d+ failed: .*answers without TLS/);
});

/** Sends one event to each URL and prints the outcomes; run with another NODE_EXTRA_CA_CERTS. */
const script = `
import { makeContext, openSink } from ${JSON.stringify(resolve(import.meta.dirname, "support.ts"))};
const resolver = { resolve: () => Promise.resolve([{ address: "127.0.0.1", family: 4 }]) };
for (const url of process.argv.slice(1)) {
  const sink = openSink("HTTP", { sink: url }, makeContext({ resolver }));
  const { outcome, error = "" } = await sink.send();
  console.log(outcome, error);
  await sink.sink.close();
}
`;

test("NODE_EXTRA_CA_CERTS makes it trusted, for the name it is made out to and no other", async () => {
  await using server = await tlsServer();
  const directory = await mkdtemp(join(tmpdir(), "millrace-tls-"));
  try {
    const file = join(directory, "ca.pem");
    await writeFile(file, certificate);
    const urls = ["sink.test", "other.test"].map((name) => `https://${name}:${server.port}/`);
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--no-warnings", "--input-type=module", "--eval", script, ...urls],
      { env: { ...process.env, NODE_EXTRA_CA_CERTS: file } },
    );
    const [trusted = "", misnamed = ""] = stdout.split("\n");
    assert.equal(trusted.trim(), "delivered");
    assert.match(misnamed, /^retry TLS with other\.test:\d+ failed: .*altnames/);
    assert.deepEqual(server.seen, ["/"]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
