/**
 * What reading and writing one event costs, in nanoseconds, beside JSON.parse of the same text.
 * Rounds are interleaved and the best round counts, so that a busy machine blurs all lines alike.
 *
 *   node bench/codec.ts
 */
import { createRequire } from "node:module";
import { cpus, loadavg } from "node:os";
import { decodeBatch, encodeBatch } from "../src/event/batch.ts";
import type { CloudEvent } from "../src/event/event.ts";
import { decodeBinary, encodeBinary } from "../src/event/http-binding.ts";
import { decodeStructured, encodeStructured } from "../src/event/json-format.ts";
import { decodeEvent, encodeEvent } from "../src/event/stored-form.ts";
import { readJson } from "../src/kernel/json.ts";

interface Line {
  readonly name: string;
  /** Events or texts that one call of `run` works on. */
  readonly count: number;
  readonly run: () => unknown;
}

const ROUNDS = 20;
const ROUND_MS = 20;

interface WebhookExamples {
  readonly name: string;
  readonly examples: readonly Readonly<Record<string, unknown>>[];
}

// The package is plain JSON, which only require loads without an import attribute.
const webhooks = createRequire(import.meta.url)(
  "@octokit/webhooks-examples",
) as readonly WebhookExamples[];

function exampleOf(event: string): Readonly<Record<string, unknown>> {
  const example = webhooks.find(({ name }) => name === event)?.examples[0];
  if (example === undefined) throw new Error(`there is no example payload of ${event}`);
  return example;
}

const star = exampleOf("star");
const headers =
  "Host|localhost:8080|Connection|keep-alive|Content-Type|application/json|ce-specversion|1.0|ce-id|a3f5c1d0-77aa-4a3f-9b5e-0123456789ab|ce-source|https://github.com/octokit/x|ce-type|com.github.star.created|ce-time|2026-11-23T10:00:00.123Z|ce-subject|octocat|Content-Length|107".split(
    "|",
  );
const body = Buffer.from(`{"action":"created","stars":[1,2,3],"text":"${"x".repeat(60)}"}`);

function decodeSample(): CloudEvent {
  const reading = decodeBinary(headers, body);
  if (!reading.ok) throw new Error(JSON.stringify(reading.violations));
  return reading.event;
}

function jsonLines(name: string, value: unknown): Line[] {
  // As it comes from a socket: one flat string.
  const text = Buffer.from(JSON.stringify(value)).toString("utf8");
  const title = `${name} (${text.length} bytes)`;
  return [
    { name: `JSON.parse, ${title}`, count: 1, run: () => JSON.parse(text) as unknown },
    { name: `readJson, ${title}`, count: 1, run: () => readJson(text) },
  ];
}

const event = decodeSample();
const stored = Buffer.from(encodeEvent(event));
const structured = encodeStructured(event);
const batch = encodeBatch(Array.from({ length: 100 }, () => event));

const lines: readonly Line[] = [
  ...jsonLines("sender and action", { action: star["action"], sender: star["sender"] }),
  ...jsonLines("star", star),
  ...jsonLines("push", exampleOf("push")),
  { name: "decodeBinary", count: 1, run: decodeSample },
  { name: "decodeBinary + encodeEvent", count: 1, run: () => encodeEvent(decodeSample()) },
  { name: "decodeEvent", count: 1, run: () => decodeEvent(stored, 0, stored.length) },
  { name: "encodeBinary", count: 1, run: () => encodeBinary(event) },
  { name: "encodeStructured", count: 1, run: () => encodeStructured(event) },
  {
    name: "JSON.parse of the structured event",
    count: 1,
    run: () => JSON.parse(structured.toString("utf8")) as unknown,
  },
  { name: "decodeStructured", count: 1, run: () => decodeStructured(structured) },
  { name: "decodeBatch, per event of 100", count: 100, run: () => decodeBatch(batch) },
];

function measureRound(line: Line): number {
  const start = performance.now();
  let calls = 0;
  let elapsedMs: number;
  do {
    for (let index = 0; index < 20; index += 1) line.run();
    calls += 20;
    elapsedMs = performance.now() - start;
  } while (elapsedMs < ROUND_MS);
  return (elapsedMs * 1e6) / (calls * line.count);
}

const best = lines.map(() => Number.POSITIVE_INFINITY);
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [index, line] of lines.entries()) {
    best[index] = Math.min(best[index] ?? 0, measureRound(line));
  }
}
console.log(`${cpus()[0]?.model ?? "?"}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(2)}`);
for (const [index, line] of lines.entries()) {
  console.log(`${(best[index] ?? 0).toFixed(0).padStart(8)} ns  ${line.name}`);
}
