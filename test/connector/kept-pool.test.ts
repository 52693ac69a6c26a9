import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../src/kernel/limits.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import { recorder } from "./recorder.ts";
import { httpServer, makeContext, openSink } from "./support.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a sink that sent nothing for a while lets go of its connections, and sends again", async () => {
  await using server = await recorder();
  const clock = new FakeClock();
  await using sink = openSink("HTTP", { sink: server.url, concurrency: 1 }, makeContext({ clock }));
  assert.equal((await sink.send()).outcome, "delivered");
  clock.advance(limits.poolIdleMs - 1);
  assert.equal((await sink.send()).outcome, "delivered");
  assert.equal(server.connects(), 1);
  // The first look finds that it was used since, and looks again in time.
  clock.advance(1);
  await turn();
  assert.equal(server.openSockets.size, 1);
  clock.advance(limits.poolIdleMs - 1);
  while (server.openSockets.size > 0) await turn();
  assert.equal((await sink.send()).outcome, "delivered");
  assert.equal(server.connects(), 2);
});

test("what is under way for longer than the pause is not broken off", async () => {
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
  await using server = await httpServer((request, response) => {
    request.resume();
    void mayAnswer.then(() => response.writeHead(204).end());
  });
  const clock = new FakeClock();
  await using sink = openSink("HTTP", { sink: server.url, concurrency: 1 }, makeContext({ clock }));
  const sending = sink.send({ timeoutMs: limits.poolIdleMs * 10 });
  while (server.connects() === 0) await turn();
  for (let step = 0; step < 3; step += 1) clock.advance(limits.poolIdleMs);
  answer();
  assert.equal((await sending).outcome, "delivered");
});

test("a sink that was let go closes at once, and one that never sent too", async () => {
  await using server = await recorder();
  const clock = new FakeClock();
  const context = makeContext({ clock });
  const used = openSink("HTTP", { sink: server.url }, context);
  await used.send();
  clock.advance(limits.poolIdleMs);
  await used.sink.close();
  await openSink("HTTP", { sink: server.url }, context).sink.close();
  while (server.openSockets.size > 0) await turn();
  assert.equal(server.connects(), 1);
});
