import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
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

const millrace = (argv: readonly string[], url: string = broker.url): Promise<Ran> =>
  run(argv, url);

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

test("bus create switches deduplication on, and bus get shows it", async () => {
  const created = await millrace(["bus", "create", "once", "--dedup-window", "1h"]);
  assert.match(created.printed, /deduplication +1h, at most 1000000 events/, created.noticed);
  const few = await millrace(["bus", "create", "few", "--dedup-max-keys", "5"]);
  assert.match(few.printed, /deduplication +10m, at most 5 events/, few.noticed);
  assert.match((await millrace(["bus", "get", "default"])).printed, /deduplication +off/);
  const wrong = await millrace(["bus", "create", "wrong", "--dedup-window", "soon"]);
  assert.equal(wrong.status, 1);
  assert.match(wrong.noticed, /deduplication\.window/);
  for (const bus of ["once", "few"]) await millrace(["bus", "delete", bus]);
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
  const sought = await millrace(["subscription", "seek", "stars", "--to", "earliest"]);
  assert.match(sought.printed, /generation +2, from offset 0/);
  const resumed = await json(["subscription", "resume", created.id]);
  assert.equal((resumed as { config: { paused: boolean } }).config.paused, false);
  assert.match((await millrace(["subscription", "list"])).printed, /stars +default +HTTP/);
  assert.match((await millrace(["subscription", "get", "stars"])).printed, /"id":/);
  assert.match((await millrace(["subscription", "delete", "stars"])).printed, /deleted/);
});

test("bus export, bus import and event tail move the same lines", async () => {
  await json(["bus", "create", "origin"]);
  await json(["bus", "create", "copy"]);
  for (const id of ["a", "b", "c"]) {
    await json(["event", "put", "origin", "--type", "t", "--id", id, "--data", '{"n": 1}']);
  }
  const exported = await millrace(["bus", "export", "origin", "--from", "1"]);
  assert.equal(exported.status, 0, exported.noticed);
  assert.equal(exported.printed.split("\n").length, 3);
  const file = path.join(directory.path, "origin.ndjson");
  await writeFile(file, exported.printed);
  const imported = (await json(["bus", "import", "copy", file])) as { imported: number };
  assert.equal(imported.imported, 2);
  const filter = '{"exact": {"id": "c"}}';
  const tail = ["event", "tail", "copy", "--from", "earliest", "--limit", "1", "--filter", filter];
  const shown = await millrace(tail);
  assert.equal(shown.printed, `${exported.printed.split("\n")[1]}\n`);
  await writeFile(file, `${exported.printed}oops\n`);
  const refused = await millrace(["bus", "import", "copy", file]);
  assert.equal(refused.status, 1);
  assert.match(refused.noticed, /line 3: [\s\S]*2 lines before it were imported/);
  const missing = await millrace(["bus", "import", "copy", "/no/file"]);
  assert.deepEqual([missing.status, /\/no\/file/.test(missing.noticed)], [2, true]);
});
import type { Ran } from "../support/run-cli.ts";
import { millrace as run } from "../support/run-cli.ts";

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

const httpWords = /\b(GET|POST|PUT|PATCH|DELETE) |\/v1\/|If-None-Match|ETag|merge-patch/;
const unknown: readonly (readonly [RegExp, ...string[]])[] = [
  [
    /bus: there is no bus 'nope'/,
    "subscription",
    "create",
    "--sink",
    "https://a.b",
    "--bus",
    "nope",
  ],
  [/subscription list/, "subscription", "get", "nope"],
  [/subscription list/, "subscription", "delete", "nope"],
  [/bus create/, "bus", "get", "nope"],
  [/bus list/, "event", "put", "nope", "--type", "a"],
  [/exists already/, "bus", "create", "default"],
  [/event get <bus> earliest/, "event", "get", "default", "99999"],
];
for (const [says, ...argv] of unknown) {
  test(`millrace ${argv.join(" ")} complains in words of the command line`, async () => {
    const ran = await millrace(argv);
    assert.equal(ran.status, 1);
    assert.match(ran.noticed, says);
    assert.doesNotMatch(ran.noticed, httpWords);
  });
}

test("a file that cannot be read is named once, with the reason", async () => {
  for (const argv of [
    ["event", "put", "default", "--event", "@nofile"],
    ["serve", "--config", "nofile"],
  ]) {
    const { status, noticed } = await millrace(argv);
    assert.notEqual(status, 0);
    assert.match(noticed, /cannot read the file 'nofile': there is no such file/);
    assert.equal(noticed.split("nofile").length, 2, noticed);
    assert.doesNotMatch(noticed, /ENOENT|Error:/);
  }
});

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
