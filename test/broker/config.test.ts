import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readConfig } from "../../src/broker/config.ts";
import { BrokerError } from "../../src/kernel/errors.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-config-"));
});
after(() => rm(directory, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

function refusal(read: () => unknown): BrokerError {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof BrokerError);
    assert.equal(error.code, "invalid_config");
    return error;
  }
  return assert.fail("it was accepted");
}

test("without anything the broker listens on loopback, port 8080, and stores in ./data", () => {
  const config = readConfig({}, { XDG_CONFIG_HOME: "/home/x/.cfg" });
  assert.deepEqual(config, {
    engine: "embedded",
    dataDir: "./data",
    fsync: "always",
    host: "127.0.0.1",
    port: 8080,
    token: undefined,
    insecure: false,
    allowPrivateSinks: false,
    allowSinks: [],
    secretKey: undefined,
    keyDirectory: "/home/x/.cfg/millrace/keys",
    logLevel: "info",
  });
});

test("a flag wins over the environment, that over the file, that over the default", async () => {
  const path = await file("order.json", '{"port": 1, "dataDir": "/file", "host": "localhost"}');
  const environment = { MILLRACE_PORT: "2", MILLRACE_DATA_DIR: "/environment" };
  const config = readConfig({ config: path, port: "3", host: undefined }, environment);
  assert.deepEqual([config.port, config.dataDir, config.host], [3, "/environment", "localhost"]);
});

test("the file may be named by the environment", async () => {
  const path = await file("named.json", '{"allowPrivateSinks": true}');
  assert.equal(readConfig({}, { MILLRACE_CONFIG: path }).allowPrivateSinks, true);
});

test("a token may come from a file, so that it stays out of the process list", async () => {
  const path = await file("token", "from a file\n");
  assert.equal(readConfig({}, { MILLRACE_TOKEN_FILE: path }).token, "from a file");
});

test("everything that is wrong is listed at once, each by its flag, variable or file", async () => {
  const path = await file("wrong.json", '{"logLevel": "loud", "colour": 1}');
  const { message } = refusal(() =>
    readConfig({ config: path, port: "70000" }, { MILLRACE_INSECURE: "maybe" }),
  );
  for (const part of [
    "--port",
    "70000",
    "MILLRACE_INSECURE",
    "loud",
    "colour",
    "unknown setting",
  ]) {
    assert.ok(message.includes(part), `${part} in ${message}`);
  }
});

test("a file that is missing or no JSON object is named", async () => {
  assert.match(refusal(() => readConfig({ config: "/nowhere.json" }, {})).message, /nowhere\.json/);
  const path = await file("list.json", "[]");
  assert.match(refusal(() => readConfig({ config: path }, {})).message, /one JSON object/);
});

test("P8: listening beyond loopback needs a token or --insecure", () => {
  for (const host of ["0.0.0.0", "::", "192.168.1.1", "broker.example"]) {
    assert.match(refusal(() => readConfig({ host }, {})).message, /--token/);
    assert.equal(readConfig({ host, token: "t" }, {}).host, host);
    assert.equal(readConfig({ host, insecure: true }, {}).host, host);
  }
  for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "::1"]) {
    assert.equal(readConfig({ host }, {}).host, host);
  }
});

test("--allow-sinks takes a list with commas, the configuration file a list", async () => {
  const entries = ["crm.internal", "*.svc.cluster.local", "10.1.0.0/16"];
  const fromFlag = readConfig({ allowSinks: `${entries.join(", ")},` }, {});
  assert.deepEqual(fromFlag.allowSinks, entries);
  const fromEnvironment = readConfig({}, { MILLRACE_ALLOW_SINKS: entries.join() });
  assert.deepEqual(fromEnvironment.allowSinks, entries);
  const path = await file("sinks.json", JSON.stringify({ allowSinks: entries }));
  assert.deepEqual(readConfig({ config: path }, {}).allowSinks, entries);
  for (const wrong of ["*", "169.254.169.254", "http://crm.internal", 5, [1], { a: 1 }]) {
    assert.throws(() => readConfig({ allowSinks: wrong }, {}), {
      code: "invalid_config",
      message: /--allow-sinks/,
    });
  }
  const many = Array.from({ length: 1001 }, (_, index) => `h${index}`).join();
  assert.throws(() => readConfig({ allowSinks: many }, {}), { message: /allowedSinksMax/ });
});
