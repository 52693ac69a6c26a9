import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../../src/cli/cli.ts";
import { startHttpBroker } from "../support/http-broker.ts";

test("event put --delay, delayed list and delayed cancel do what they say", async () => {
  await using broker = await startHttpBroker({ buses: ["default"] });
  const millrace = async (...argv: string[]): Promise<{ status: number; text: string }> => {
    let text = "";
    const write = (more: string): void => void (text += `${more}\n`);
    const status = await runCli({
      argv,
      env: { MILLRACE_URL: broker.url },
      version: "9.9.9",
      serve: {
        assertCanListen: () => Promise.resolve(),
        startHttpServer: () => Promise.reject(new Error("these tests run no server")),
        untilAskedToStop: () => Promise.resolve("SIGTERM"),
        announce: () => undefined,
      },
      output: {
        print: write,
        notice: write,
        write: (bytes) => Promise.resolve(write(Buffer.from(bytes).toString())),
      },
    });
    return { status, text };
  };
  const put = await millrace("event", "put", "default", "--type", "a.b", "--delay", "1h");
  assert.equal(put.status, 0, put.text);
  const id = /waits for its time on bus default as (\S+)/.exec(put.text)?.[1] ?? "";
  const listed = await millrace("delayed", "list", "default");
  assert.match(listed.text, /^ID +DUE +CREATED +TYPE +EVENT ID/);
  assert.ok(listed.text.includes(id) && listed.text.includes("a.b"), listed.text);
  assert.match((await millrace("delayed", "cancel", "default", id)).text, /cancelled/);
  const again = await millrace("delayed", "cancel", "default", id);
  assert.equal(again.status, 1);
  assert.match(again.text, /no delayed event/);
  const bad = await millrace("event", "put", "default", "--type", "a.b", "--delay", "soon");
  assert.match(bad.text, /millrace-delay must be a duration/);
});
