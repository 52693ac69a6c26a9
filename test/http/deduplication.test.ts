/** Deduplication as publishers meet it: all three modes, headers, problems, settings, sources. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import type { Answer, HttpBroker } from "../support/http-broker.ts";
import {
  assertProblem,
  binaryHeaders,
  startHttpBroker,
  structuredEvent,
} from "../support/http-broker.ts";
import { temporaryDirectory } from "../support/broker-process.ts";

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let broker: HttpBroker;
before(async () => {
  directory = await temporaryDirectory();
  broker = await start();
  await put("once", { deduplication: {} });
});
after(async () => {
  await broker.stop();
  await directory[Symbol.asyncDispose]();
});

function start(): Promise<HttpBroker> {
  const dataDir = directory.path;
  const keyDirectory = `${dataDir}-config/keys`;
  return startHttpBroker({ config: { engine: "embedded", dataDir, keyDirectory } });
}

const put = (bus: string, body: unknown): Promise<Answer> =>
  broker.fetch("PUT", `/v1/buses/${bus}`, { body });

const binary = (bus: string, id: string, body = "x"): Promise<Answer> =>
  broker.fetch("POST", `/v1/buses/${bus}/events`, {
    headers: binaryHeaders({ "ce-id": id }),
    body,
  });

const structured = (bus: string, id: string, data = "x"): Promise<Answer> =>
  broker.fetch("POST", `/v1/buses/${bus}/events`, {
    headers: { "content-type": "application/cloudevents+json" },
    body: JSON.stringify(structuredEvent({ id, datacontenttype: "text/plain", data })),
  });

const batch = (bus: string, ...ids: (readonly [string, string?])[]): Promise<Answer> =>
  broker.fetch("POST", `/v1/buses/${bus}/events`, {
    headers: { "content-type": "application/cloudevents-batch+json" },
    body: JSON.stringify(
      ids.map(([id, data = "x"]) => structuredEvent({ id, datacontenttype: "text/plain", data })),
    ),
  });

const nextOf = (bus: string): number => broker.broker.buses.require(bus).log.bounds().next;
const offsetOf = (answer: Answer): number => Number(answer.headers.get("millrace-offset"));

test("an event is stored once, whatever mode it comes again in, and each answer has its offset", async () => {
  const first = await binary("once", "modes");
  assert.deepEqual([first.status, first.headers.get("millrace-duplicate")], [202, null]);
  for (const answer of [await structured("once", "modes"), await binary("once", "modes")]) {
    assert.equal(answer.status, 202, answer.text);
    assert.equal(answer.headers.get("millrace-duplicate"), "true");
    assert.equal(offsetOf(answer), offsetOf(first));
    assert.equal(answer.text, "");
  }
  const mixed = await batch("once", ["modes"], ["fresh"], ["fresh"]);
  assert.equal(mixed.status, 200, mixed.text);
  const fresh = offsetOf(first) + 1;
  assert.deepEqual(mixed.json(), { offsets: [fresh - 1, fresh, fresh], duplicates: [0, 2] });
  assert.equal(nextOf("once"), fresh + 1);
});

test("a hundred publishers of one event at a time agree on one offset, and one of them stored it", async () => {
  const before = nextOf("once");
  const answers = await Promise.all(Array.from({ length: 100 }, () => binary("once", "race")));
  assert.deepEqual(new Set(answers.map(offsetOf)), new Set([before]));
  const stored = answers.filter((answer) => answer.headers.get("millrace-duplicate") === null);
  assert.equal(stored.length, 1);
  assert.equal(nextOf("once"), before + 1);
});

test("the same id with other content is 409 id_reused, and nothing is stored", async () => {
  const first = await binary("once", "reused", "one");
  const next = nextOf("once");
  for (const answer of [
    await binary("once", "reused", "two"),
    await structured("once", "reused", "2"),
  ]) {
    const { detail, errors } = assertProblem(answer, 409, "id_reused");
    assert.match(detail, /"reused".*"\/test".*other content/);
    assert.match(detail, new RegExp(`offset ${offsetOf(first)}\\b`));
    assert.deepEqual(
      errors.map(({ path, code, index }) => ({ path, code, index })),
      [{ path: "id", code: "id_reused", index: undefined }],
    );
  }
  const refused = await batch("once", ["new"], ["reused", "three"], ["also new"]);
  const { errors } = assertProblem(refused, 409, "id_reused");
  assert.deepEqual(
    errors.map(({ index }) => index),
    [1],
  );
  assert.equal(nextOf("once"), next);
});

test("without deduplication the same id published twice is two events, and metrics count them so", async () => {
  await put("twice", {});
  const answers = [await binary("twice", "a"), await binary("twice", "a", "other")];
  assert.deepEqual(answers.map(offsetOf), [0, 1]);
});

test("duplicates are counted on their own, not as stored events", async () => {
  await put("counted", { deduplication: {} });
  const stored = async (): Promise<number> =>
    Number(await metric("millrace_events_published_total"));
  const before = await stored();
  await binary("counted", "a");
  await binary("counted", "a");
  await batch("counted", ["a"], ["b"]);
  assert.equal((await stored()) - before, 2);
  assert.equal(await metric('millrace_duplicates_total{bus="counted"}'), "2");
  assert.equal(await metric('millrace_deduplication_keys{bus="counted"}'), "2");
  assert.equal(await metric('millrace_deduplication_keys_evicted_total{bus="counted"}'), "0");
});

async function metric(name: string): Promise<string | undefined> {
  const { text } = await broker.fetch("GET", "/metrics");
  return text
    .split("\n")
    .find((line) => line.startsWith(`${name} `))
    ?.split(" ")[1];
}

test("settings are shown with their defaults, and null or absence switches off", async () => {
  const made = await put("settings", { deduplication: {} });
  assert.deepEqual(made.json()["deduplication"], { window: "10m", maxKeys: 1_000_000 });
  const again = await put("settings", made.json());
  assert.deepEqual(again.json()["deduplication"], made.json()["deduplication"]);
  assert.equal((await put("settings", { deduplication: null })).json()["deduplication"], null);
  assert.equal((await put("settings", {})).json()["deduplication"], null);
});

test("switched on for a bus with events it counts from then on; off and on again it remembers", async () => {
  await put("switched", {});
  await binary("switched", "early");
  await put("switched", { deduplication: { window: "1h" } });
  assert.equal(offsetOf(await binary("switched", "early")), 1);
  assert.equal(offsetOf(await binary("switched", "early")), 1);
  await put("switched", {});
  assert.equal(offsetOf(await binary("switched", "early")), 2);
  await binary("switched", "while off");
  await put("switched", { deduplication: { window: "2h" } });
  assert.equal(offsetOf(await binary("switched", "early")), 1);
  assert.equal(offsetOf(await binary("switched", "while off")), 4);
});

test("P1: publishes that come while it is switched on, off and changed lose nothing", async () => {
  await put("busy", {});
  const answers: Answer[] = [];
  let isOver = false;
  const publishers = Array.from({ length: 8 }, async (_, publisher) => {
    for (let count = 0; !isOver; count++)
      answers.push(await binary("busy", `${publisher}-${count}`));
  });
  for (const window of ["1m", "2m", null, "3m", "1m"]) {
    const changed = await put("busy", { deduplication: window === null ? null : { window } });
    assert.equal(changed.status, 200, changed.text);
  }
  isOver = true;
  await Promise.all(publishers);
  const offsets = answers.map(offsetOf).toSorted((a, b) => a - b);
  assert.deepEqual(
    offsets,
    Array.from({ length: offsets.length }, (_, index) => index),
  );
});

test("a webhook that is sent again is accepted, and its event stored once", async () => {
  const secret = "It's a secret to everybody";
  const source = { kind: "github", bus: "once", secret };
  assert.equal((await broker.fetch("PUT", "/v1/sources/github", { body: source })).status, 201);
  const payload = JSON.stringify({
    action: "created",
    starred_at: "2026-11-23T10:00:00Z",
    repository: { name: "hello", url: "https://api.github.com/repos/o/hello" },
    sender: { login: "octocat" },
  });
  const signature = createHmac("sha256", secret).update(payload).digest("hex");
  const headers = {
    "content-type": "application/json",
    "x-github-event": "star",
    "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    "x-hub-signature-256": `sha256=${signature}`,
  };
  const before = nextOf("once");
  const send = (): Promise<Answer> =>
    broker.fetch("POST", "/hooks/github", { headers, body: payload });
  const answers = [await send(), await send()];
  assert.deepEqual(answers[0]?.status, answers[1]?.status);
  assert.ok((answers[1]?.status ?? 500) < 300, answers[1]?.text);
  assert.equal(nextOf("once"), before + 1);
});

test("P1: after a restart an event is still recognised, and other content still refused", async () => {
  const first = await binary("once", "lasting");
  const widened = await put("once", { deduplication: { window: "1h", maxKeys: 5000 } });
  assert.equal(widened.status, 200, widened.text);
  await broker.stop();
  broker = await start();
  const again = await structured("once", "lasting");
  assert.equal(again.headers.get("millrace-duplicate"), "true");
  assert.equal(offsetOf(again), offsetOf(first));
  assertProblem(await binary("once", "lasting", "other"), 409, "id_reused");
  const shown = await broker.fetch("GET", "/v1/buses/once");
  assert.deepEqual(shown.json()["deduplication"], { window: "1h", maxKeys: 5000 });
});

test("a deleted bus forgets, and one of that name is a new one", async () => {
  await put("short", { deduplication: {} });
  await binary("short", "a");
  assert.equal((await broker.fetch("DELETE", "/v1/buses/short")).status, 200);
  await put("short", { deduplication: {} });
  const answer = await binary("short", "a", "other");
  assert.deepEqual([answer.status, offsetOf(answer)], [202, 0]);
  assert.equal(answer.headers.get("millrace-duplicate"), null);
});
