/** What a user meets who starts a broker wrongly, or unsafely. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root, startBrokerProcess, temporaryDirectory } from "../support/broker-process.ts";

interface Refused {
  readonly exitCode: number | null;
  readonly text: string;
}

async function serve(...flags: readonly string[]): Promise<Refused> {
  const child = spawn(process.execPath, ["src/main.ts", "serve", ...flags], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(child, "close");
  return { exitCode: child.exitCode, text };
}

test("F28: a second broker is refused by the data directory or the port, and starts no work", async () => {
  await using directory = await temporaryDirectory();
  const dataDir = join(directory.path, "data");
  const first = await startBrokerProcess({ dataDir });
  try {
    const port = new URL(first.url).port;
    const other = join(directory.path, "other");
    const [sameDirectory, samePort] = await Promise.all([
      serve("--port", "0", "--data-dir", dataDir),
      serve("--port", port, "--data-dir", other),
    ]);
    assert.equal(sameDirectory.exitCode, 1);
    assert.match(sameDirectory.text, /in use by another broker/);
    assert(sameDirectory.text.includes(dataDir));
    assert.equal(samePort.exitCode, 1);
    assert.match(samePort.text, /cannot listen on 127\.0\.0\.1:\d+: another process listens there/);
    assert(!existsSync(other), "nothing was opened for a port that is taken");
    for (const { text } of [sameDirectory, samePort]) {
      assert.doesNotMatch(text, /the broker is (started|stopped)/);
    }
    assert.equal((await fetch(`${first.url}/health/ready`)).status, 200);
  } finally {
    assert.equal(await first.stop(), 0);
  }
  assert.match(first.output(), /the broker is stopped/);
});

test("P1: a broker that acknowledges before it syncs says so at start, when ready and in its metrics", async () => {
  await using directory = await temporaryDirectory();
  const dataDir = join(directory.path, "data");
  const broker = await startBrokerProcess({ dataDir, flags: ["--fsync", "interval"] });
  try {
    assert.match(broker.output(), /^listening on http:.*\n/m);
    const { fsync, durability } = (await (await fetch(`${broker.url}/health/ready`)).json()) as {
      fsync: string;
      durability: string;
    };
    assert.deepEqual({ fsync, durability }, { fsync: "interval", durability: "os" });
    const metrics = await (await fetch(`${broker.url}/metrics`)).text();
    assert.match(metrics, /millrace_storage_writable\{.*durability="os",fsync="interval"\} 1/);
  } finally {
    assert.equal(await broker.stop(), 0);
  }
  assert.match(broker.output(), /^fsync is 'interval': a power cut can lose/m);
  const safe = await startBrokerProcess({ dataDir });
  const ready = await (await fetch(`${safe.url}/health/ready`)).json();
  assert.equal((ready as { fsync: string }).fsync, "always");
  assert.equal(await safe.stop(), 0);
  assert.doesNotMatch(safe.output(), /fsync is/);
});

test("an fsync mode that does not exist is refused with those that do", async () => {
  const { exitCode, text } = await serve("--fsync", "sometimes");
  assert.equal(exitCode, 1);
  assert.match(text, /--fsync: must be one of always, interval, never/);
});
