import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Secrets } from "../../src/broker/secrets.ts";
import { createMemoryEngine } from "../../src/engine/engines.ts";
import type { ResourceStore } from "../../src/engine/engine.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import type { Logger } from "../../src/kernel/logger.ts";
import { silentLogger } from "../../src/kernel/logger.ts";
import { systemRandom } from "../../src/kernel/random.ts";

let keyDirectory: string;
let resources: ResourceStore;
beforeEach(async () => {
  keyDirectory = join(await mkdtemp(join(tmpdir(), "millrace-keys-")), "deep", "keys");
  resources = createMemoryEngine({ clock: systemClock }).resources;
});
afterEach(() => rm(join(keyDirectory, "..", ".."), { recursive: true }));

async function opened(secretKey?: string, logger: Logger = silentLogger): Promise<Secrets> {
  const secrets = new Secrets({ resources, secretKey, keyDirectory, random: systemRandom, logger });
  await secrets.open();
  return secrets;
}

const rejects = (work: Promise<unknown>, code: string, message: RegExp): Promise<void> =>
  assert.rejects(work, (error: { code: string; message: string }) => {
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });

test("P8: the key is made with the first secret, readable by its owner only, and said", async () => {
  const said: string[] = [];
  const logger = {
    ...silentLogger,
    warn: (_fields: unknown, message: string) => said.push(message),
  };
  const secrets = await opened(undefined, logger as Logger);
  await assert.rejects(readdir(keyDirectory), "nothing is made before");
  const sealed = await secrets.seal("it's a secret", "source/github");
  const [keyFile = ""] = await readdir(keyDirectory);
  assert.equal((await stat(join(keyDirectory, keyFile))).mode & 0o777, 0o600);
  assert.equal(said.length, 1);
  assert.ok(said[0]?.includes(join(keyDirectory, keyFile)));
  assert.ok(!sealed.includes("secret"));
  assert.equal(secrets.unseal(sealed, "source/github"), "it's a secret");
});

test("P8: a later start opens the secrets with the key file", async () => {
  const sealed = await (await opened()).seal("s", "source/a");
  assert.equal((await opened()).unseal(sealed, "source/a"), "s");
});

test("P8: the same secret is sealed differently each time", async () => {
  const secrets = await opened();
  assert.notEqual(await secrets.seal("s", "source/a"), await secrets.seal("s", "source/a"));
});

test("P8: a sealed secret opens only for the resource it belongs to, and only unchanged", async () => {
  const secrets = await opened();
  const sealed = await secrets.seal("s", "source/a");
  assert.throws(() => secrets.unseal(sealed, "source/b"), { code: "secret_key_missing" });
  const tampered = sealed.slice(0, -2) + (sealed.endsWith("AA") ? "BB" : "AA");
  assert.throws(() => secrets.unseal(tampered, "source/a"), { code: "secret_key_missing" });
});

test("P8: a missing key file refuses to start and names the remedies", async () => {
  await (await opened()).seal("s", "source/a");
  await rm(keyDirectory, { recursive: true });
  await rejects(opened(), "secret_key_missing", /MILLRACE_SECRET_KEY.*MILLRACE_SECRET_KEY_FILE/);
});

test("P8: a wrong key refuses to start", async () => {
  const right = Buffer.alloc(32, 1).toString("base64");
  await (await opened(right)).seal("s", "source/a");
  await assert.rejects(readdir(keyDirectory), "a key that is given is not written down");
  const wrong = Buffer.alloc(32, 2).toString("hex");
  await rejects(opened(wrong), "secret_key_missing", /not the one that sealed/);
  await opened(Buffer.alloc(32, 1).toString("hex"));
});

test("P8: a key file with other content refuses to start", async () => {
  await (await opened()).seal("s", "source/a");
  const [keyFile = ""] = await readdir(keyDirectory);
  await writeFile(join(keyDirectory, keyFile), Buffer.alloc(32, 9).toString("base64"));
  await rejects(opened(), "secret_key_missing", /not the one/);
});

test("a key that is not 32 bytes is refused with a way to make one", async () => {
  for (const key of ["short", "x".repeat(43), Buffer.alloc(31).toString("base64")]) {
    await rejects(
      opened(key === "x".repeat(43) ? `${key}xx` : key),
      "invalid_config",
      /openssl rand/,
    );
  }
});

test("a key directory that cannot be made is refused at once, with the way out", async () => {
  const options = { resources, secretKey: undefined, random: systemRandom, logger: silentLogger };
  const secrets = new Secrets({ ...options, keyDirectory: "/proc/nowhere/keys" });
  await secrets.open();
  const attempt = secrets.seal("secret", "source/github");
  await rejects(attempt, "invalid_config", /\/proc\/nowhere\/keys cannot be created.*--key-dir/);
  await opened().then((able) => able.seal("secret", "source/github"));
});
