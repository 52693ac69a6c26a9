import type { JsonValue, PlaygroundResult } from "../api/api.ts";
import type { OpenSink } from "../connector/sink.ts";
import type { CloudEvent } from "../event/event.ts";
import { createEventView } from "../event/event-view.ts";
import { decodeStructured } from "../event/json-format.ts";
import { assert } from "../kernel/assert.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import { readJson } from "../kernel/json.ts";
import { limits } from "../kernel/limits.ts";
import type { Buses } from "./buses.ts";
import { isJsonObject, throwIfAny } from "./object-reader.ts";
import { structuredJson } from "./dead-letters.ts";
import type { PlaygroundRange, RangeInput } from "./playground-range.ts";
import { readRange, scanRange } from "./playground-range.ts";
import type { SubscriptionInput } from "./resource-schemas.ts";
import { readSubscriptionInput } from "./resource-schemas.ts";
import type { PlanMaker } from "./subscription-plan.ts";

/** What is compiled once for all events of one dry run. */
interface Trial extends ReturnType<PlanMaker["compile"]> {
  /** Undefined when the request names no sink: then there is no request to show. */
  readonly sink: OpenSink | undefined;
  readonly bus: string;
  readonly timeoutMs: number;
}

export interface PlaygroundAnswer {
  /** Of the given events in their order; of a range the first that passed. */
  readonly results: readonly PlaygroundResult[];
  /** What became of the last events of a bus, when `last` asked for them. */
  readonly range?: PlaygroundRange;
}

/** A subscription tried on events, with nothing stored and nothing sent. */
export class Playground {
  readonly #plans: PlanMaker;
  readonly #buses: Pick<Buses, "require"> | undefined;

  /** Without buses only given events can be tried. */
  constructor(plans: PlanMaker, buses?: Pick<Buses, "require">) {
    this.#plans = plans;
    this.#buses = buses;
  }

  /** Takes the text of the request: events are judged as they were written, to the last digit. */
  async run(text: string): Promise<PlaygroundAnswer> {
    const violations: Violation[] = [];
    const body: unknown = JSON.parse(text);
    const { events, last, samples, ...members } = isJsonObject(body) ? body : noMembers;
    const range = last === undefined ? undefined : readRange({ last, samples, events }, violations);
    if (range === undefined) checkEvents(events, violations);
    if (range === undefined && samples !== undefined) {
      const message = "goes with last, which takes events of the bus";
      violations.push({ path: "samples", code: "invalid_value", message });
    }
    const input = readSubscriptionInput(members, violations, { mayLackSink: true });
    violations.push(...this.#plans.check(input));
    throwIfAny("the playground", violations);
    const sink = input.sink === "" ? undefined : this.#openSink(input);
    try {
      const { timeoutMs } = input.config;
      const trial = { ...this.#plans.compile(input), sink, bus: input.bus || "default", timeoutMs };
      if (range !== undefined) return await this.#tryRange(trial, range);
      return { results: eventTexts(text).map((each, index) => tryOne(trial, each, index)) };
    } finally {
      await sink?.close();
    }
  }

  /** The secrets of the request make its headers, masked; they are kept nowhere. */
  #openSink(input: SubscriptionInput): OpenSink {
    const { signing, credential } = input.secrets;
    const secrets = { signing: signing ?? [], credential: credential ?? undefined };
    return this.#plans.openSink(input, secrets);
  }

  async #tryRange(trial: Trial, wanted: RangeInput): Promise<PlaygroundAnswer> {
    if (this.#buses === undefined) {
      throw new BrokerError("bus_not_found", "there are no buses here; give events");
    }
    const { log } = this.#buses.require(trial.bus);
    return scanRange({
      bus: trial.bus,
      log,
      wanted,
      passes: (view) => trial.filter.passes(view),
      attempt: (event, offset) => tryEvent(trial, event, offset),
    });
  }
}

const noMembers: Readonly<Record<"events" | "last" | "samples", unknown>> = {
  events: undefined,
  last: undefined,
  samples: undefined,
};

function checkEvents(events: unknown, violations: Violation[]): void {
  if (!Array.isArray(events) || events.length === 0) {
    const message = "must be a list of one or more structured events";
    violations.push({ path: "events", code: "missing", message });
  } else if (events.length > limits.playgroundEventsMax) {
    const message = `has ${events.length} events; at most ${limits.playgroundEventsMax} (playgroundEventsMax)`;
    violations.push({ path: "events", code: "too_many", message });
  }
}

/** Cut out of the text, because a round trip through JSON.parse would change numbers. */
function eventTexts(text: string): readonly string[] {
  const reading = readJson(text);
  assert(reading.ok, "the door has read the same text before");
  const { document } = reading;
  const texts: string[] = [];
  document.eachElement(document.member(document.root, "events"), (event) => {
    texts.push(document.raw(event));
  });
  return texts;
}

function tryOne(trial: Trial, text: string, index: number): PlaygroundResult {
  const reading = decodeStructured(Buffer.from(text));
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
