import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { runCli } from "../../src/cli/cli.ts";
import { commands } from "../../src/cli/commands.ts";
import { temporaryDirectory } from "../support/broker-process.ts";
import type { HttpBroker } from "../support/http-broker.ts";
import { startHttpBroker } from "../support/http-broker.ts";

let broker: HttpBroker;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

before(async () => {
  directory = await temporaryDirectory();
  broker = await startHttpBroker({ config: { allowPrivateSinks: true }, buses: ["default"] });
});
after(async () => {
  await broker.stop();
  await directory[Symbol.asyncDispose]();
});

interface Ran {
  readonly status: number;
  readonly printed: string;
  readonly noticed: string;
}

async function millrace(argv: readonly string[], url: string = broker.url): Promise<Ran> {
  let [printed, noticed] = ["", ""];
  const status = await runCli({
    argv,
    env: { MILLRACE_URL: url },
    version: "9.9.9",
    serve: {
      startHttpServer: () => Promise.reject(new Error("these tests run no server")),
      untilAskedToStop: () => Promise.resolve("SIGTERM"),
      announce: () => undefined,
    },
    output: {
      print: (text) => void (printed += `${text}\n`),
      notice: (text) => void (noticed += `${text}\n`),
    },
  });
  return { status, printed, noticed };
}

async function json(argv: readonly string[]): Promise<unknown> {
  const { status, printed, noticed } = await millrace([...argv, "--output", "json"]);
  assert.equal(status, 0, noticed);
  return JSON.parse(printed);
}

test("bus create, list, get and delete do what they say", async () => {
  const created = await millrace(["bus", "create", "orders", "--max-age", "forever"]);
  assert.equal(created.status, 0, created.noticed);
  assert.match(created.printed, /bus +created[\s\S]*kept for +forever/);
  const buses = (await json(["bus", "list"])) as { name: string }[];
  assert.deepEqual(
    buses.map(({ name }) => name),
    ["default", "orders"],
  );
  assert.match((await millrace(["bus", "list"])).printed, /^NAME +KEPT FOR/);
  assert.match((await millrace(["bus", "get", "orders"])).printed, /name +orders/);
  assert.match((await millrace(["bus", "delete", "orders"])).printed, /bus +deleted/);
  assert.match((await millrace(["bus", "get", "orders"])).noticed, /no such bus|There is no/);
});

test("bus create refuses a bus that exists instead of changing it", async () => {
  const { status, noticed } = await millrace(["bus", "create", "default", "--max-age", "1h"]);
  assert.equal(status, 1);
  assert.match(noticed, /exists|since it was read|one of that name/);
  const bus = (await json(["bus", "get", "default"])) as { retention: { maxAge: string } };
  assert.equal(bus.retention.maxAge, "7d");
});

test("event put publishes flags, text and files; event get shows the event as it was given", async () => {
  const put = (await json([
    "event",
    "put",
    "default",
    "--type",
    "com.example.a",
    "--attribute",
    "region=eu",
    "--data",
    '{"big": 12345678901234567890}',
  ])) as { offset: number };
  const shown = await millrace(["event", "get", "default", String(put.offset)]);
  assert.match(shown.printed, /com\.example\.a/);
  assert.match(shown.printed, /"region": "eu"/);

  const file = path.join(directory.path, "event.json");
  await writeFile(file, '{"specversion":"1.0","id":"f","source":"/f","type":"com.example.f"}');
  const fromFile = (await json(["event", "put", "default", "--event", `@${file}`])) as {
    offset: number;
  };
  assert.equal(fromFile.offset, put.offset + 1);

  const page = (await json(["event", "get", "default", "earliest", "--limit", "10"])) as {
    offset: number;
    event: { id: string };
  }[];
  assert.equal(page.at(-1)?.event.id, "f");
});

test("subscription commands take the article's flags and find a subscription by its name", async () => {
  const created = (await json([
    "subscription",
    "create",
    "--name",
    "stars",
    "--sink",
    "http://127.0.0.1:9999/",
    "--filters",
    '[{"exact": {"type": "com.github.star.created"}}]',
    "--transformer",
    '{"define": {"s": "$.data.sender"}, "template": "{\\"text\\": \\"${s}\\"}"}',
    "--header",
    "x-team=rivers",
    "--start",
    "earliest",
    "--concurrency",
    "2",
  ])) as { id: string; protocolsettings: unknown; config: { concurrency: number } };
  assert.deepEqual(created.protocolsettings, { headers: { "x-team": "rivers" } });
  assert.equal(created.config.concurrency, 2);
  const paused = await json(["subscription", "pause", "stars"]);
  assert.equal((paused as { config: { paused: boolean } }).config.paused, true);
  const status = await millrace(["subscription", "status", "stars"]);
  assert.match(status.printed, /state +paused/);
  const resumed = await json(["subscription", "resume", created.id]);
  assert.equal((resumed as { config: { paused: boolean } }).config.paused, false);
  assert.match((await millrace(["subscription", "list"])).printed, /stars +default +HTTP/);
  assert.match((await millrace(["subscription", "get", "stars"])).printed, /"id":/);
  assert.match((await millrace(["subscription", "delete", "stars"])).printed, /deleted/);
});

const wrong: readonly (readonly [string, readonly string[], number, RegExp])[] = [
  ["an unknown command", ["bus", "destroy"], 2, /unknown command 'destroy'/],
  ["a missing sink", ["subscription", "create"], 2, /--sink/],
  [
    "filters that are not JSON",
    ["subscription", "create", "--sink", "http://127.0.0.1:9999", "--filters", "[{exact}]"],
    2,
    /--filters takes JSON/,
  ],
  [
    "a filter of an unknown dialect",
    ["subscription", "create", "--sink", "http://127.0.0.1:9999", "--filters", '[{"x": {}}]'],
    1,
    /filters\[0\].*known: exact/,
  ],
  [
    "a file that is not there",
    ["event", "put", "default", "--event", "@/no/file"],
    2,
    /\/no\/file/,
  ],
  [
    "data that is not JSON",
    ["event", "put", "default", "--type", "a", "--data", "x"],
    2,
    /text\/plain/,
  ],
  ["an event without a type", ["event", "put", "default"], 2, /--type/],
  ["an unknown bus", ["event", "put", "nobody", "--type", "a"], 1, /bus create/],
  ["a word as offset", ["event", "get", "default", "first"], 2, /whole number/],
  ["an unknown subscription", ["subscription", "status", "nobody"], 1, /no such subscription/],
  ["a bad address", ["bus", "list", "--url", "ftp://x"], 2, /--url takes an address/],
];
for (const [what, argv, status, says] of wrong) {
  test(`${what} ends with status ${status} and says the way out`, async () => {
    const ran = await millrace(argv);
    assert.equal(ran.status, status, ran.noticed);
    assert.match(ran.noticed, says);
    assert.equal(ran.printed, "");
  });
}

test("without a broker the message says how to start one", async () => {
  const { status, noticed } = await millrace(["bus", "list"], "http://127.0.0.1:1");
  assert.equal(status, 1);
  assert.match(noticed, /cannot reach a broker at http:\/\/127\.0\.0\.1:1[\s\S]*npm start/);
});

test("every command shows its help with examples", async () => {
  for (const { noun, verb, examples } of commands) {
    const argv = noun === undefined ? [verb, "--help"] : [noun, verb, "--help"];
    const { status, printed } = await millrace(argv);
    assert.equal(status, 0);
    assert.ok(printed.includes(examples[0] ?? "?"), printed);
  }
});
