import assert from "node:assert/strict";
import { test } from "node:test";
import { startHttpBroker } from "../support/http-broker.ts";
import type { Ran } from "../support/run-cli.ts";
import { millrace } from "../support/run-cli.ts";

test("event put --delay, delayed list and delayed cancel do what they say", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  const run = (...argv: string[]): Promise<Ran> => millrace(argv, broker.url);
  const put = await run("event", "put", "default", "--type", "a.b", "--delay", "1h");
  assert.equal(put.status, 0, put.text);
  const id = /waits for its time on bus default as (\S+)/.exec(put.text)?.[1] ?? "";
  const listed = await run("delayed", "list", "default");
  assert.match(listed.text, /^ID +DUE +CREATED +TYPE +EVENT ID/);
  assert.ok(listed.text.includes(id) && listed.text.includes("a.b"), listed.text);
  assert.match((await run("delayed", "cancel", "default", id)).text, /cancelled/);
  const again = await run("delayed", "cancel", "default", id);
  assert.equal(again.status, 1);
  assert.match(again.text, /no delayed event/);
  const bad = await run("event", "put", "default", "--type", "a.b", "--delay", "soon");
  assert.match(bad.text, /millrace-delay must be a duration/);
});
