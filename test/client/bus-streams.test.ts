/** Reading, following, exporting and importing through the client, against a real broker. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { ClientError, MillraceClient } from "../../src/client/client.ts";
import { StreamParser } from "../../src/client/event-stream.ts";
import { LineBodies } from "../../src/client/line-requests.ts";
import { startHttpBroker, structuredEvent } from "../support/http-broker.ts";

const line = (id: number | string): string => `${JSON.stringify(structuredEvent({ id }))}\n`;

async function* bytes(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of source) text += Buffer.from(chunk).toString();
  return text;
}

test("an import of several requests is one import, and its export is the same lines", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  const client = new MillraceClient({ url: broker.url });
  const all = Array.from({ length: 100 }, (_, id) => line(`${id}`)).join("");
  const progress: number[] = [];
  const answer = await client.importBus("default", bytes(all.slice(0, 777), all.slice(777)), {
    requestBytes: 1000,
    onProgress: ({ lines }) => progress.push(lines),
  });
  assert.deepEqual(answer, { lines: 100, imported: 100, duplicates: 0, first: 0, next: 100 });
  assert.ok(progress.length > 2, String(progress));
  const exported = await client.exportBus("default", { from: "0" });
  assert.equal(await textOf(exported.lines), all);
  assert.equal(exported.next, 100);
  assert.equal(await exported.gaps(), undefined);
});

test("a refused line of a later request is told together with what came before it", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  const client = new MillraceClient({ url: broker.url });
  const source = bytes(line("a"), line("b"), "oops\n");
  await assert.rejects(client.importBus("default", source, { requestBytes: 1 }), (error) => {
    assert.ok(error instanceof ClientError);
    assert.match(error.message, /line 1: .*began after line 2; 2 lines had been imported/);
    return true;
  });
});

test("bodies of lines are cut at line breaks only, wherever the pieces were cut", async () => {
  const text = "one\ntwo\n\nthree\nfour";
  for (let size = 1; size <= text.length; size++) {
    const pieces = text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
    const bodies = new LineBodies(bytes(...pieces), 5);
    const parts: string[] = [];
    for (let body = await bodies.next(); body; body = await bodies.next()) {
      parts.push(await textOf(body));
    }
    assert.equal(parts.join(""), text);
    for (const part of parts.slice(0, -1)) assert.match(part, /\n$/);
    assert.equal(bodies.lines, 4);
  }
});

test("a filtered read and a stream see what passes", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  const client = new MillraceClient({ url: broker.url });
  await client.importBus("default", bytes(line("a"), line("b"), line("c")));
  const filters = [{ exact: { id: "b" } }];
  const page = await client.read("default", { from: "earliest", limit: 10, filters });
  assert.deepEqual([page.offsets, page.next], [[1], 3]);
  for await (const item of client.stream("default", { from: "earliest", filters })) {
    assert.deepEqual(item, { kind: "event", offset: 1, text: line("b").trimEnd() });
    break;
  }
});

test("a stream that breaks off is taken up after the last id, a gap's or a heartbeat's too", async () => {
  const asked: (string | undefined)[] = [];
  const answers = ["id: 4\ndata: {}\n\n", "id: 7\nevent: gap\ndata: 5-7\n\n", ":\nid: 9\n\n", ""];
  const server = createServer((request, response) => {
    const { "last-event-id": lastId } = request.headers;
    asked.push(typeof lastId === "string" ? lastId : undefined);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(answers[asked.length - 1] ?? "id: 10\ndata: {}\n\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as AddressInfo;
  const client = new MillraceClient({ url: `http://127.0.0.1:${port}` });
  const seen: string[] = [];
  for await (const item of client.stream("default", { from: "4", reconnectMs: 1 })) {
    seen.push(item.kind === "gap" ? item.range : item.kind);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, ["event", "5-7", "event"]);
  assert.deepEqual(asked, [undefined, "4", "7", "9", "9"]);
  server.closeAllConnections();
  server.close();
});

test("what the broker refuses ends a stream", async () => {
  await using broker = await startHttpBroker();
  const client = new MillraceClient({ url: broker.url });
  await assert.rejects(client.stream("nobody", { from: "latest" }).next(), ClientError);
});

test("the pieces of a stream are found wherever its text was cut", () => {
  const text = ':\n\nid: 1\ndata: {"a":"b: c"}\n\nid: 3\nevent: gap\ndata: 2-3\n\n';
  for (let cut = 0; cut < text.length; cut++) {
    const parser = new StreamParser();
    const pieces = [...parser.take(text.slice(0, cut)), ...parser.take(text.slice(cut))];
    assert.deepEqual(pieces, [
      { item: { kind: "event", offset: 1, text: '{"a":"b: c"}' }, id: 1 },
      { item: { kind: "gap", range: "2-3" }, id: 3 },
    ]);
  }
});

test("an export that breaks off says so: it never looks complete", async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.write("{}\n", () => setImmediate(() => response.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert(address !== null && typeof address === "object");
  const client = new MillraceClient({ url: `http://127.0.0.1:${address.port}` });
  const answer = await client.exportBus("default");
  await assert.rejects(textOf(answer.lines), /UnreachableError: the broker broke off its answer/);
  server.close();
});
