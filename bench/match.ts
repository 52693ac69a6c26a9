/**
 * What matching an event costs in this process: its keys read from the stored form, the candidates
 * found, their filters evaluated. Ten thousand filters beside ten, interleaved, median of seven.
 * node bench/match.ts [events]
 */
import { createEventView } from "../src/event/event-view.ts";
import { noExtensions } from "../src/event/event.ts";
import { decodeEvent, decodeEventKeys, encodeEvent } from "../src/event/stored-form.ts";
import { compileFilters } from "../src/filter/compile.ts";
import type { CompiledFilter } from "../src/filter/filter.ts";
import { FilterIndex } from "../src/filter/filter-index.ts";
import { describeMachine, interleave, median, ratio } from "./harness.ts";

const events = Number(process.argv[2] ?? 100_000);
/** Of ten kinds, so that one of ten filters wants each event as one of ten thousand does. */
const stored = Array.from({ length: 10 }, (_, number) =>
  Buffer.from(
    encodeEvent({
      id: "6e1b3f0c-9a55-4a39-8f27-4b1f6f4f6f10",
      source: `/shops/${number}`,
      type: `com.example.kind${number}`,
      subject: `customer-${number}.eu`,
      time: "2026-11-23T10:00:00Z",
      datacontenttype: "application/json",
      dataschema: undefined,
      extensions: noExtensions,
      data: Buffer.alloc(200, "a"),
      dataIsImpliedJson: false,
    }),
  ),
);

const shapes: readonly (readonly [name: string, filter: (number: number) => object])[] = [
  ["exact, distinct types", (number) => ({ exact: { type: `com.example.kind${number}` } })],
  ["prefix, distinct", (number) => ({ prefix: { subject: `customer-${number}.` } })],
  ["suffix, distinct", (number) => ({ suffix: { subject: `-${number}.eu` } })],
  ["exact, 100 match each", (number) => ({ exact: { type: `com.example.kind${number % 100}` } })],
  ["no anchor", (number) => ({ not: { prefix: { type: `x${number}` } } })],
];

console.log(describeMachine());
for (const [name, filter] of shapes) {
  const few = listed(10, filter);
  const many = listed(10_000, filter);
  const isHeavy = name === "no anchor" || name.includes("100");
  const count = isHeavy ? Math.ceil(events / 100) : events;
  const results = await interleave(7, {
    few: () => Promise.resolve(rateOf(few, count)),
    many: () => Promise.resolve(rateOf(many, count)),
  });
  const microseconds = 1e6 / median(results.many);
  console.log(
    `match, ${name}: 10 000 subscriptions reach ${ratio(results.many, results.few)} of the rate ` +
      `with 10; ${microseconds.toFixed(2)} µs an event, p99 ${p99Of(many, count).toFixed(3)} ms`,
  );
}

function listed(count: number, filter: (number: number) => object): FilterIndex<CompiledFilter> {
  const index = new FilterIndex<CompiledFilter>();
  for (let number = 0; number < count; number += 1) {
    const compilation = compileFilters([filter(number)]);
    if (!compilation.ok) throw new Error(JSON.stringify(compilation.violations));
    index.add(compilation.filter, compilation.filter);
  }
  return index;
}

/** As the live group does it. */
function match(index: FilterIndex<CompiledFilter>, record: Buffer): number {
  const candidates = index.candidates(decodeEventKeys(record, 0, record.length));
  if (candidates.length === 0) return 0;
  const view = createEventView(decodeEvent(record, 0, record.length));
  let passed = 0;
  for (const filter of candidates) if (filter.passes(view)) passed += 1;
  return passed;
}

function recordAt(number: number): Buffer {
  return stored[number % stored.length] ?? Buffer.alloc(0);
}

function rateOf(index: FilterIndex<CompiledFilter>, count: number): number {
  const start = performance.now();
  for (let number = 0; number < count; number += 1) match(index, recordAt(number));
  return (count / (performance.now() - start)) * 1000;
}

function p99Of(index: FilterIndex<CompiledFilter>, count: number): number {
  const times: number[] = [];
  for (let number = 0; number < count; number += 1) {
    const start = performance.now();
    match(index, recordAt(number));
    times.push(performance.now() - start);
  }
  return times.toSorted((left, right) => left - right)[Math.floor(count * 0.99)] ?? Number.NaN;
}
