/**
 * `node bench/transform.ts`: what the article's transformer costs beside JSON.parse of the same
 * bytes, at 1.4 KB and 8 KB. Both begin with the bytes of the data and the transformer ends with
 * bytes, reading of the JSON included. The two take turns round by round; shown is the median of the
 * rounds' ratios. Then what each command of the pipeline costs on its own first example.
 */
import { createRequire } from "node:module";
import { createEventView } from "../src/event/event-view.ts";
import type { CloudEvent } from "../src/event/event.ts";
import { noExtensions } from "../src/event/event.ts";
import type { Command, CommandExample } from "../src/expression/functions/commands.ts";
import { commands } from "../src/expression/functions/commands.ts";
import { compileTransformer } from "../src/transform/compile.ts";
import type { CompiledTransformer } from "../src/transform/transformer.ts";
import { describeMachine } from "./harness.ts";

const ROUNDS = 31;
const ROUND_MS = 40;
const GOAL = 1.5;

const compilation = compileTransformer({
  define: {
    star_count: "$.data.repository.stargazers_count",
    repo: "$.data.repository.name",
    sender: "$.data.sender.login",
  },
  template:
    '{"slackMsg":  "GitHub user<${sender}> just stared your repo<${repo}>. Current number of stars: ${star_count}."}',
});
if (!compilation.ok) throw new Error("the article's transformer compiles");
const { transformer } = compilation;

/** GitHub's own example of a star; its urls make most of it. */
function starPayload(): { repository: Record<string, unknown>; sender: Record<string, unknown> } {
  const kinds = createRequire(import.meta.url)("@octokit/webhooks-examples/api.github.com");
  const star = kinds.find((kind: { name: string }) => kind.name === "star");
  return star.examples.find((example: { action: string }) => example.action === "created");
}

function shortPayload(): unknown {
  const { repository, sender } = starPayload();
  const kept = Object.entries(repository).filter(([, value]) => typeof value !== "object");
  const short = { action: "created", repository: Object.fromEntries(kept.slice(0, 8)), sender };
  short.repository["stargazers_count"] = repository["stargazers_count"];
  return short;
}

function longPayload(): unknown {
  const star = starPayload();
  return { ...star, organization: star.repository["owner"], enterprise: star.sender };
}

function eventOf(data: Uint8Array): CloudEvent {
  return {
    id: "1",
    source: "https://api.github.com/repos/octocat/millrace",
    type: "com.github.star.created",
    subject: undefined,
    time: undefined,
    datacontenttype: "application/json",
    dataschema: undefined,
    extensions: noExtensions,
    data,
    dataIsImpliedJson: false,
  };
}

function transformBytes(compiled: CompiledTransformer, data: Uint8Array): number {
  const result = compiled.transform(createEventView(eventOf(data)));
  return result.ok ? (result.event.data?.length ?? 0) : 0;
}

function parseBytes(data: Buffer): number {
  const parsed = JSON.parse(data.toString()) as { sender: { login: string } };
  return parsed.sender.login.length;
}

/** Microseconds a call, over ROUND_MS. */
function time(work: () => number): number {
  let calls = 0;
  let used = 0;
  const start = performance.now();
  let elapsed = 0;
  while (elapsed < ROUND_MS) {
    for (let index = 0; index < 50; index += 1) used += work();
    calls += 50;
    elapsed = performance.now() - start;
  }
  if (used === 0) throw new Error("the work has no result");
  return (elapsed * 1000) / calls;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function compare(name: string, data: Buffer): void {
  const rounds = Array.from({ length: ROUNDS }, () => ({
    parse: time(() => parseBytes(data)),
    transform: time(() => transformBytes(transformer, data)),
  }));
  const parse = median(rounds.map((round) => round.parse)).toFixed(1);
  const transform = median(rounds.map((round) => round.transform)).toFixed(1);
  const ratio = median(rounds.map((round) => round.transform / round.parse)).toFixed(2);
  process.stdout.write(
    `${name} (${data.length} bytes): transform ${transform} µs, JSON.parse ${parse} µs, ratio ${ratio} (goal ≤ ${GOAL})\n`,
  );
}

process.stdout.write(`${describeMachine()}\n`);
compare("article's transformer, 1.4 KB", Buffer.from(JSON.stringify(shortPayload())));
compare("article's transformer, 8 KB", Buffer.from(JSON.stringify(longPayload(), null, 1)));

/** An event with the data and attributes of an example. */
function eventOfExample({ data, attributes = {} }: CommandExample): CloudEvent {
  const base = eventOf(Buffer.from(JSON.stringify(data ?? {})));
  return { ...base, extensions: new Map(Object.entries(attributes)) };
}

function costOf(command: Command): number {
  const [example] = command.examples;
  if (example === undefined) throw new Error(`${command.name} has an example`);
  const compiled = compileTransformer({ pipeline: [{ command: example.command }] });
  if (!compiled.ok) throw new Error(`${command.name} compiles`);
  const event = eventOfExample(example);
  return time(() => (compiled.transformer.transform(createEventView(event)).ok ? 1 : 0));
}

process.stdout.write("commands, each alone on the event of its first example, µs:\n");
for (const command of commands) {
  process.stdout.write(`  ${command.name.padEnd(34)}${costOf(command).toFixed(1).padStart(8)}\n`);
}
