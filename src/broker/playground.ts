import type { JsonValue, PlaygroundResult } from "../api/api.ts";
import type { OpenSink } from "../connector/sink.ts";
import type { CloudEvent } from "../event/event.ts";
import { createEventView } from "../event/event-view.ts";
import { decodeStructured } from "../event/json-format.ts";
import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { isJsonObject, throwIfAny } from "./object-reader.ts";
import { structuredJson } from "./dead-letters.ts";
import { readSubscriptionInput } from "./resource-schemas.ts";
import type { PlanMaker } from "./subscription-plan.ts";

/** What is compiled once for all events of one dry run. */
interface Trial extends ReturnType<PlanMaker["compile"]> {
  /** Undefined when the request names no sink: then there is no request to show. */
  readonly sink: OpenSink | undefined;
  readonly bus: string;
  readonly timeoutMs: number;
}

/** A subscription tried on events, with nothing stored and nothing sent. */
export class Playground {
  readonly #plans: PlanMaker;

  constructor(plans: PlanMaker) {
    this.#plans = plans;
  }

  async run(body: unknown): Promise<{ readonly results: readonly PlaygroundResult[] }> {
    const violations: Violation[] = [];
    const { events, ...members } = isJsonObject(body) ? body : { events: undefined };
    const list = readEvents(events, violations);
    const input = readSubscriptionInput(members, violations, { mayLackSink: true });
    violations.push(...this.#plans.check(input));
    throwIfAny("the playground", violations);
    const sink = input.sink === "" ? undefined : this.#plans.openSink(input);
    try {
      const { timeoutMs } = input.config;
      const trial = { ...this.#plans.compile(input), sink, bus: input.bus || "default", timeoutMs };
      return { results: list.map((each, index) => tryOne(trial, each, index)) };
    } finally {
      await sink?.close();
    }
  }
}

function readEvents(events: unknown, violations: Violation[]): readonly unknown[] {
  if (!Array.isArray(events) || events.length === 0) {
    const message = "must be a list of one or more structured events";
    violations.push({ path: "events", code: "missing", message });
    return [];
  }
  if (events.length > limits.playgroundEventsMax) {
    const message = `has ${events.length} events; at most ${limits.playgroundEventsMax} (playgroundEventsMax)`;
    violations.push({ path: "events", code: "too_many", message });
  }
  return events as readonly unknown[];
}

function tryOne(trial: Trial, given: unknown, index: number): PlaygroundResult {
  const reading = decodeStructured(Buffer.from(JSON.stringify(given)));
  if (reading.ok) return tryEvent(trial, reading.event, index);
  const errors = reading.violations.map((each) => ({
    path: each.path === "" ? `events[${index}]` : `events[${index}].${each.path}`,
    code: each.code,
    message: each.message,
  }));
  return { passed: false, clauses: [], transformed: null, request: null, errors };
}

function tryEvent(trial: Trial, event: CloudEvent, index: number): PlaygroundResult {
  const view = createEventView(event);
  const passed = trial.filter.passes(view);
  const verdict = { passed, clauses: trial.filter.explain(view) };
  if (!passed) return { ...verdict, transformed: null, request: null, errors: [] };
  const result = trial.transformer?.transform(view) ?? { ok: true as const, event };
  if (!result.ok) {
    return { ...verdict, transformed: null, request: null, errors: [result.failure] };
  }
  const transformed: JsonValue = structuredJson(result.event);
  const request = trial.sink?.preview({
    event: result.event,
    subscription: "playground",
    bus: trial.bus,
    offset: index,
    attempt: 1,
    timeoutMs: trial.timeoutMs,
  });
  return { ...verdict, transformed, request: request ?? null, errors: [] };
}
