import type { Attempt, EventExplanation, SubscriptionExplanation } from "../api/api.ts";
import { findEvent, previewOf, transformed } from "../delivery/delivery.ts";
import type { EventPlace, FoundEvent } from "../delivery/delivery.ts";
import type { ConsumerStateStore, DeadLetterState } from "../engine/engine.ts";
import { createEventView } from "../event/event-view.ts";
import type { EventView } from "../event/event-view.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import type { Attempts } from "./attempts.ts";
import type { Buses, RunningBus } from "./buses.ts";
import { readLetterFilter } from "./letter-input.ts";
import type { ListQuery } from "./resource-table.ts";
import type { Subscriptions } from "./subscriptions.ts";

export interface ExplainQuery extends ListQuery {
  /** Only this one. */
  readonly subscription: string | undefined;
}

export interface ExplainAnswer {
  readonly value: EventExplanation;
  /** The id of the last subscription told, when there are more. */
  readonly next: string | undefined;
}

interface Known {
  readonly bus: RunningBus;
  readonly offset: Offset;
  readonly view: EventView | undefined;
}

/** What became of one event, subscription by subscription, and why. */
export class Explain {
  readonly #buses: Buses;
  readonly #subscriptions: Subscriptions;
  readonly #attempts: Attempts;
  readonly #state: ConsumerStateStore;

  constructor(parts: {
    readonly buses: Buses;
    readonly subscriptions: Subscriptions;
    readonly attempts: Attempts;
    readonly state: ConsumerStateStore;
  }) {
    this.#buses = parts.buses;
    this.#subscriptions = parts.subscriptions;
    this.#attempts = parts.attempts;
    this.#state = parts.state;
  }

  async explain(busName: string, offset: Offset, query: ExplainQuery): Promise<ExplainAnswer> {
    const bus = this.#buses.require(busName);
    const { next } = bus.log.bounds();
    if (offset >= next) {
      const detail = `there is no event at offset ${offset} of bus '${busName}' yet; the next is ${next}`;
      throw new BrokerError("event_not_found", detail);
    }
    const found = await findEvent({ bus: busName, log: bus.log, store: this.#state }, offset);
    const view = found.found === "nothing" ? undefined : createEventView(found.event);
    const { ids, hasMore } = this.#chosen(busName, query);
    const subscriptions: SubscriptionExplanation[] = [];
    for (const id of ids) subscriptions.push(await this.#one({ bus, offset, view }, id));
    return {
      value: { bus: busName, offset, ...eventFacts(found), subscriptions },
      next: hasMore ? ids.at(-1) : undefined,
    };
  }

  #chosen(
    bus: string,
    { subscription, after, limit }: ExplainQuery,
  ): { readonly ids: readonly string[]; readonly hasMore: boolean } {
    if (subscription !== undefined) {
      const own = this.#subscriptions.busOf(subscription).name;
      if (own === bus) return { ids: [subscription], hasMore: false };
      const detail = `subscription '${subscription}' reads bus '${own}', not '${bus}'`;
      throw new BrokerError("subscription_not_found", detail);
    }
    const all = this.#subscriptions.namesOf(bus).toSorted();
    const rest = after === undefined ? all : all.filter((id) => id > after);
    return { ids: rest.slice(0, limit), hasMore: rest.length > limit };
  }

  async #one(known: Known, id: string): Promise<SubscriptionExplanation> {
    const { bus, offset, view } = known;
    const attempts = await this.#attempts.ofEvent(bus, id, offset);
    const letters = await this.#state.deadLetters(bus.name, {
      subscription: id,
      filter: { ...readLetterFilter({}), offset },
      limit: 10,
    });
    // Asked last and in one turn: what follows is one picture.
    const place = bus.delivery.placeOf(id, offset);
    const letter = letters.find(({ generation }) => generation === place.generation);
    const clauses = view === undefined ? null : clausesOf(place, view);
    const judged = judge(place, { attempts, letter, passes: clauses?.every((one) => one.passed) });
    const history = attempts.length > 0 ? attempts : place.history.toReversed();
    return {
      subscription: id,
      name: this.#subscriptions.get(id).value.name,
      generation: place.generation,
      start: place.start,
      ...judged,
      deadLetter: letter?.letter ?? null,
      earlierDeadLetters: letters.filter((one) => one !== letter).map((one) => one.letter),
      // These are the filters of today; an earlier version may have judged it.
      filters: clauses,
      attempts: history,
      request: view === undefined ? null : requestOf(known, place, view),
      previous: [...place.previous],
    };
  }
}

function eventFacts(found: FoundEvent): Pick<EventExplanation, "event" | "kept" | "appended"> {
  if (found.found === "nothing") {
    const kept = found.reason === "trimmed" ? "expired" : "damaged";
    return { event: null, kept, appended: null };
  }
  const { id, source, type, subject } = found.event;
  return {
    event: { id, source, type, ...(subject === undefined ? {} : { subject }) },
    kept: found.found,
    appended: new Date(found.time).toISOString(),
  };
}

type Judgement = Pick<SubscriptionExplanation, "state" | "reason" | "until">;

interface Evidence {
  readonly attempts: readonly Attempt[];
  readonly letter: DeadLetterState | undefined;
  /** Whether it passes the present filters; undefined when there is no event to ask them. */
  readonly passes: boolean | undefined;
}

function judge(place: EventPlace, evidence: Evidence): Judgement {
  const { where } = place;
  switch (where.place) {
    case "beforeStart": {
      const [latest] = place.previous;
      const earlier =
        latest === undefined
          ? "the subscription began behind it"
          : `a seek has passed over it; generation ${latest.generation} covered it, see previous`;
      return { state: "before-start", reason: earlier, until: null };
    }
    case "pending":
      return { state: "pending", reason: where.why, until: null };
    case "waiting":
      return { state: "waiting", reason: `it passed the filters; ${where.why}`, until: null };
    case "inFlight":
      return { state: "in-flight", reason: `attempt ${where.attempt} is under way`, until: null };
    case "parked": {
      const attempts = `${where.attempts} ${where.attempts === 1 ? "attempt" : "attempts"} failed`;
      const until = new Date(Math.ceil(where.dueAt)).toISOString();
      return { state: "parked", reason: `${attempts}; ${where.why}`, until };
    }
    case "expired": {
      const reason = `offsets ${where.from} to ${where.to} were gone before they were settled: ${where.reason}`;
      return { state: "expired", reason, until: null };
    }
    case "settled":
      return { ...judgeSettled(place, evidence), until: null };
  }
}

/** Settled offsets leave only counts, so the letter, the attempts and the filters have to tell. */
function judgeSettled(
  { counters, previous }: EventPlace,
  { attempts, letter, passes }: Evidence,
): Pick<Judgement, "state" | "reason"> {
  if (letter !== undefined) return { state: "dead", reason: letter.reason };
  const own = attemptsOfNow(attempts, previous);
  // Uncounted successes are those of a replay: they settled a letter, not the event.
  const success = own.find(({ outcome, counted }) => outcome === "delivered" && counted !== false);
  if (success !== undefined) {
    return {
      state: "delivered",
      reason: `attempt ${success.attempt} was taken at ${success.time}`,
    };
  }
  const end = own.find(({ outcome }) => outcome === "dead" || outcome === "discarded");
  if (end?.outcome === "dead") {
    const aside = own.find(({ outcome }) => outcome === "delivered");
    const reason =
      aside === undefined
        ? "its dead letter was deleted or aged out"
        : `a replay sent its dead letter to another sink, which took it at ${aside.time}`;
    return { state: "discarded", reason };
  }
  if (end !== undefined) {
    return { state: "discarded", reason: "the last attempt failed and no dead letters are kept" };
  }
  if (passes === false) {
    return { state: "filtered", reason: "it does not pass the present filters, see filters" };
  }
  if (passes === undefined) {
    const reason = "it was settled, and neither the event nor an attempt with it is kept any more";
    return { state: "settled", reason };
  }
  if (counters.skipped > 0 && own.some(({ counted }) => counted !== false)) {
    // The success of an event that had failed is always logged.
    const reason = `it failed and no success is kept; an operator skipped ${counters.skipped} of this generation`;
    return { state: "skipped", reason };
  }
  if (counters.delivered === 0) {
    const reason =
      "it passes the present filters, but nothing was delivered: earlier filters or a deleted letter";
    return { state: "settled", reason };
  }
  const reason =
    "it passes the present filters and was settled; no attempt with it is kept, because successes are sampled";
  return { state: "delivered", reason };
}

/** A seek closes a generation: what was tried before says nothing of the present one. */
function attemptsOfNow(
  attempts: readonly Attempt[],
  [latest]: EventPlace["previous"],
): readonly Attempt[] {
  return latest === undefined ? attempts : attempts.filter(({ time }) => time >= latest.closed);
}

function clausesOf(
  place: EventPlace,
  view: EventView,
): SubscriptionExplanation["filters"] & object {
  return place.plan.filter
    .explain(view)
    .map(({ path, passed, reason }) => ({ path, passed, reason }));
}

/** What is or would be sent by the present subscription; secrets are masked by the sink. */
function requestOf(
  { bus, offset }: Known,
  { plan, where }: EventPlace,
  view: EventView,
): SubscriptionExplanation["request"] {
  const result = transformed(plan, view);
  if (!result.ok) return null;
  return previewOf(plan.sink, {
    event: result.event,
    subscription: plan.id,
    bus: bus.name,
    offset,
    attempt: where.place === "parked" ? where.attempts + 1 : 1,
    timeoutMs: plan.timeoutMs,
  });
}
