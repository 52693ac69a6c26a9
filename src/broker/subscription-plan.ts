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
import { orderingPlanOf } from "./ordering-schema.ts";
import type { SubscriptionInput } from "./resource-schemas.ts";
import type { Entry } from "./resource-table.ts";
import type { SinkMaker, SinkMembers } from "./sink-maker.ts";
import type { StoredSubscription } from "./stored-subscription.ts";
import type { SinkSecrets } from "./subscription-secrets.ts";

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

  /** What is accepted although it is probably not meant, for the member `warnings`. */
  warnings(input: FilterMembers): readonly string[] {
    const filters = compileFiltersOf(input);
    return filters.ok ? filters.warnings : [];
  }

  openSink(input: SinkMembers, secrets: SinkSecrets): OpenSink {
    return this.#sinks.open(input, secrets);
  }

  plan(entry: Entry<StoredSubscription>, sink: OpenSink): SubscriptionPlan {
    const { config } = entry.value;
    const compiled = this.compile(entry.value);
    const ordering = orderingPlanOf(config.ordering);
    return { ...planBasics(entry), ...compiled, ordering, sink, paused: config.paused };
  }

  compile(
    input: FilterMembers & Pick<SubscriptionInput, "transformer">,
  ): Pick<SubscriptionPlan, "filter" | "transformer"> {
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
    batch: undefined,
    sendBatch: (deliveries, settled) => {
      queueMicrotask(() => settled(deliveries.map(() => ({ outcome: "aborted", latencyMs: 0 }))));
    },
    send: (_delivery, settled) => {
      queueMicrotask(() => settled({ outcome: "aborted", latencyMs: 0 }));
    },
    preview: () => ({ method: "POST", url: entry.value.sink, headers: {}, body: "" }),
    close: () => Promise.resolve(),
  };
  const filter = { passes: () => true, explain: () => [], anchorings: [] };
  return { ...planBasics(entry), filter, transformer: undefined, sink: closed, paused: true };
}

function planBasics(
  entry: Entry<StoredSubscription>,
): Omit<SubscriptionPlan, "filter" | "transformer" | "sink" | "paused"> {
  const { config, startOffset } = entry.value;
  const { maxAttempts, maxAge, minDelayMs, maxDelayMs, delays } = config.retry;
  return {
    id: entry.id,
    revision: entry.revision,
    startOffset,
    concurrency: config.concurrency,
    // Absent from what an earlier version stored.
    rateLimit: (config.rateLimit as number | undefined) ?? 0,
    circuitKey: config.circuitKey ?? undefined,
    timeoutMs: config.timeoutMs,
    retry: {
      // After the last wait of a list comes the last attempt.
      maxAttempts: maxAttempts ?? (delays === undefined ? undefined : delays.length + 1),
      maxAgeMs: parseDuration(maxAge) ?? 0,
      minDelayMs,
      maxDelayMs,
      delaysMs: delays?.map((delay) => parseDuration(delay) ?? 0),
    },
    deadLetter: config.deadLetter,
  };
}

/** Whether a change leaves the sink as it is, so that its connections can stay. */
export function hasSameSink(before: StoredSubscription, after: StoredSubscription): boolean {
  return isDeepStrictEqual(whatMakesSink(before), whatMakesSink(after));
}

/** A secret that is given again is sealed anew, so it counts as a change. */
function whatMakesSink(stored: StoredSubscription): readonly unknown[] {
  const { protocol, sink, protocolsettings, config, sealed } = stored;
  const { concurrency, timeoutMs, retry } = config;
  const { retryOn, failOn } = retry;
  return [protocol, sink, protocolsettings, concurrency, timeoutMs, retryOn, failOn, sealed];
}

type FilterMembers = Pick<SubscriptionInput, "filters" | "source" | "types">;

function compileFiltersOf(input: FilterMembers): FilterCompilation {
  return compileFilters(input.filters, { source: input.source, types: input.types });
}

function compileTransformerOf(
  input: Pick<SubscriptionInput, "transformer">,
): CompiledTransformer | undefined {
  if (input.transformer === undefined) return undefined;
  const compiled = compileTransformer(input.transformer);
  if (compiled.ok) return compiled.transformer;
  throwIfAny("the transformer", compiled.violations);
  throw new BrokerError("invalid_resource", "the transformer does not compile");
}
