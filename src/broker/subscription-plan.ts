import { isDeepStrictEqual } from "node:util";
import type { OpenSink } from "../connector/sink.ts";
import type { SubscriptionPlan } from "../delivery/delivery.ts";
import { compileFilters } from "../filter/compile.ts";
import type { FilterCompilation } from "../filter/compile.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import { compileTransformer } from "../transform/compile.ts";
import type { CompiledTransformer } from "../transform/transformer.ts";
import { parseDuration } from "./durations.ts";
import { throwIfAny } from "./object-reader.ts";
import type { SubscriptionInput } from "./resource-schemas.ts";
import type { Entry } from "./resource-table.ts";
import type { SinkMaker } from "./sink-maker.ts";
import type { StoredSubscription } from "./stored-subscription.ts";

/** Turns what a subscription says into what delivery works with. */
export class PlanMaker {
  readonly #sinks: SinkMaker;

  constructor(sinks: SinkMaker) {
    this.#sinks = sinks;
  }

  /** What filters, transformer and sink have to say against the subscription. */
  check(input: SubscriptionInput): readonly Violation[] {
    const violations: Violation[] = [];
    const filters = compileFiltersOf(input);
    if (!filters.ok) violations.push(...filters.violations);
    if (input.transformer !== undefined) {
      const compiled = compileTransformer(input.transformer);
      if (!compiled.ok) violations.push(...compiled.violations);
    }
    if (input.sink !== "") violations.push(...this.#sinks.check(input));
    return violations;
  }

  openSink(input: SubscriptionInput): OpenSink {
    return this.#sinks.open(input);
  }

  plan(entry: Entry<StoredSubscription>, sink: OpenSink): SubscriptionPlan {
    const { config } = entry.value;
    const compiled = this.compile(entry.value);
    return { ...planBasics(entry), ...compiled, sink, paused: config.paused };
  }

  compile(input: SubscriptionInput): Pick<SubscriptionPlan, "filter" | "transformer"> {
    const filters = compileFiltersOf(input);
    if (!filters.ok) throwIfAny("the filters", filters.violations);
    if (!filters.ok) throw new BrokerError("invalid_resource", "the filters do not compile");
    return { filter: filters.filter, transformer: compileTransformerOf(input) };
  }
}

/**
 * The plan of a stored subscription that cannot be opened: paused, so that it keeps its position
 * and delivers nothing until somebody mends it.
 */
export function isolatedPlan(entry: Entry<StoredSubscription>): SubscriptionPlan {
  const closed: OpenSink = {
    send: (_delivery, settled) => {
      queueMicrotask(() => settled({ outcome: "aborted", latencyMs: 0 }));
    },
    preview: () => ({ method: "POST", url: entry.value.sink, headers: {}, body: "" }),
    close: () => Promise.resolve(),
  };
  const filter = { passes: () => true, explain: () => [], types: undefined };
  return { ...planBasics(entry), filter, transformer: undefined, sink: closed, paused: true };
}

function planBasics(
  entry: Entry<StoredSubscription>,
): Omit<SubscriptionPlan, "filter" | "transformer" | "sink" | "paused"> {
  const { config, startOffset } = entry.value;
  const { maxAttempts, maxAge, minDelayMs, maxDelayMs } = config.retry;
  return {
    id: entry.id,
    revision: entry.revision,
    startOffset,
    concurrency: config.concurrency,
    timeoutMs: config.timeoutMs,
    retry: {
      maxAttempts: maxAttempts ?? undefined,
      maxAgeMs: parseDuration(maxAge) ?? 0,
      minDelayMs,
      maxDelayMs,
    },
    deadLetter: config.deadLetter,
  };
}

/** Whether a change leaves the sink as it is, so that its connections can stay. */
export function hasSameSink(before: SubscriptionInput, after: SubscriptionInput): boolean {
  return (
    before.protocol === after.protocol &&
    before.sink === after.sink &&
    isDeepStrictEqual(before.protocolsettings, after.protocolsettings)
  );
}

function compileFiltersOf(input: SubscriptionInput): FilterCompilation {
  return compileFilters(input.filters, { source: input.source, types: input.types });
}

function compileTransformerOf(input: SubscriptionInput): CompiledTransformer | undefined {
  if (input.transformer === undefined) return undefined;
  const compiled = compileTransformer(input.transformer);
  if (compiled.ok) return compiled.transformer;
  throwIfAny("the transformer", compiled.violations);
  throw new BrokerError("invalid_resource", "the transformer does not compile");
}
