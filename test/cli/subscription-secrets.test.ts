/** Secrets of a subscription on the command line: from files, rotated, removed, never printed. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { temporaryDirectory } from "../support/broker-process.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import { startHttpBroker } from "../support/http-broker.ts";
import type { Ran } from "../support/run-cli.ts";
import { millrace as run } from "../support/run-cli.ts";

const sink = "http://127.0.0.1:9/";
const fresh = `whsec_${Buffer.from("the-new-secret-of-the-command-01").toString("base64")}`;
const old = `whsec_${Buffer.from("the-old-secret-of-the-command-02").toString("base64")}`;
const credential = { credentialtype: "ACCESSTOKEN", accesstoken: "hush-hush" };

let broker: HttpBroker;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let said = "";

before(async () => {
  directory = await temporaryDirectory();
  broker = await startHttpBroker({
    config: { allowPrivateSinks: true, keyDirectory: path.join(directory.path, "keys") },
    buses: ["default"],
  });
  await writeFile(file("new"), `${fresh}\n`);
  await writeFile(file("old"), old);
  await writeFile(file("credential"), JSON.stringify(credential));
  await writeFile(file("broken"), `{"accesstoken": "hush-hush}`);
});
after(async () => {
  await broker.stop();
  await directory[Symbol.asyncDispose]();
});

const file = (name: string): string => path.join(directory.path, name);

async function millrace(...argv: string[]): Promise<Ran> {
  const ran = await run(argv, broker.url);
  said += ran.text;
  return ran;
}

function facts(name: string): readonly unknown[] {
  const { items } = broker.broker.subscriptions.list({ limit: 100, after: undefined });
  const found = items.find((each) => each.name === name);
  return [found?.hasSigningSecret, found?.hasSinkCredential];
}

test("subscription create takes a signing secret and a credential from files", async () => {
  const { status, text } = await millrace(
    "subscription",
    "create",
    "--sink",
    sink,
    "--name",
    "made",
    "--signing-secret",
    `@${file("new")}`,
    "--credential",
    `@${file("credential")}`,
  );
  assert.equal(status, 0, text);
  assert.match(text, /requests\s+signed, with a credential/);
  assert.deepEqual(facts("made"), [true, true]);
});

test("subscription secrets rotates, replaces and removes", async () => {
  const secrets = (...flags: string[]): ReturnType<typeof millrace> =>
    millrace("subscription", "secrets", "rotated", ...flags);
  await millrace("subscription", "create", "--sink", sink, "--name", "rotated");
  const both = ["--signing-secret", `@${file("new")}`, "--signing-secret", `@${file("old")}`];
  assert.equal((await secrets(...both)).status, 0);
  assert.deepEqual(facts("rotated"), [true, false]);
  assert.equal((await secrets("--credential", `@${file("credential")}`)).status, 0);
  assert.deepEqual(facts("rotated"), [true, true]);
  assert.equal((await secrets("--remove-signing", "--remove-credential")).status, 0);
  assert.deepEqual(facts("rotated"), [false, false]);
  assert.equal((await secrets()).status, 2);
  assert.equal((await secrets(...both, "--remove-signing")).status, 2);
});

test("a wrong secret is explained without being repeated", async () => {
  const create = (...flags: string[]): ReturnType<typeof millrace> =>
    millrace("subscription", "create", "--sink", sink, ...flags);
  const broken = await create("--credential", `@${file("broken")}`);
  assert.equal(broken.status, 2);
  assert.match(broken.text, /--credential takes JSON/);
  const short = await create("--signing-secret", "whsec_aHVzaC1odXNo");
  assert.notEqual(short.status, 0);
  assert.match(short.text, /24 to 64 bytes/);
  for (const secret of [fresh, old, "hush-hush", "aHVzaC1odXNo"]) {
    assert.ok(!said.includes(secret), secret);
  }
});
