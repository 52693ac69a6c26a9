import type { Replay as ShownReplay } from "../api/api.ts";
import type { ReplayView } from "../delivery/delivery.ts";
import type { LetterFilter } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { Page } from "./buses.ts";
import { readRedriveInput } from "./letter-input.ts";
import { throwIfAny } from "./object-reader.ts";
import { readSubscriptionInput } from "./resource-schemas.ts";
import type { ListQuery } from "./resource-table.ts";
import type { SinkMembers } from "./sink-maker.ts";
import type { PlanMaker } from "./subscription-plan.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Redrives of dead letters, as objects that can be watched and cancelled. */
export class Replays {
  readonly #subscriptions: Subscriptions;
  readonly #plans: PlanMaker;

  constructor(subscriptions: Subscriptions, plans: PlanMaker) {
    this.#subscriptions = subscriptions;
    this.#plans = plans;
  }

  /** Begins to redrive; what follows goes on by itself, and after a restart. */
  async redrive(subscription: string, body: unknown): Promise<ShownReplay> {
    const { delivery } = this.#subscriptions.busOf(subscription);
    const { selection, ratePerSecond, sink } = readRedriveInput(body);
    const described = sink === undefined ? undefined : this.#describeSink(sink);
    const request = { selection, ratePerSecond, sink: described };
    return present(await delivery.letters.redrive(subscription, request));
  }

  /** The latest first. */
  list(subscription: string, { limit, after }: ListQuery): Page<ShownReplay> {
    const { delivery } = this.#subscriptions.busOf(subscription);
    const all = delivery.letters.replays(subscription).map(present);
    const index = after === undefined ? -1 : all.findIndex(({ id }) => id === after);
    if (after !== undefined && index < 0) throw noSuchReplay(subscription, after);
    const items = all.slice(index + 1, index + 1 + limit);
    const hasMore = index + 1 + limit < all.length;
    return { items, next: hasMore ? items.at(-1)?.id : undefined };
  }

  get(subscription: string, id: string): ShownReplay {
    const { delivery } = this.#subscriptions.busOf(subscription);
    const view = delivery.letters.replays(subscription).find(({ replay }) => replay.id === id);
    if (view === undefined) throw noSuchReplay(subscription, id);
    return present(view);
  }

  async cancel(subscription: string, id: string): Promise<ShownReplay> {
    const { delivery } = this.#subscriptions.busOf(subscription);
    const view = await delivery.letters.cancel(subscription, id);
    if (view === undefined) throw noSuchReplay(subscription, id);
    return present(view);
  }

  /** Judged as the sink of a subscription is, the private-network guard included; no secrets go there. */
  #describeSink(members: Readonly<Record<string, unknown>>): SinkMembers {
    const violations: Violation[] = [];
    const input = readSubscriptionInput({ bus: "default", ...members }, violations);
    violations.push(...this.#plans.check(input));
    throwIfAny("the sink of the redrive", violations);
    const { protocol, sink, protocolsettings, config } = input;
    const { concurrency, timeoutMs, retry } = config;
    return { protocol, sink, protocolsettings, config: { concurrency, timeoutMs, retry } };
  }
}

function present({ replay, paused }: ReplayView): ShownReplay {
  const { counts, selection, sink } = replay;
  const { total, redriven, delivered, dead, other, waiting } = counts;
  return {
    id: replay.id,
    subscription: replay.subscription,
    kind: "dead-letters",
    state: replay.end ?? (paused === null ? "running" : "paused"),
    reason: replay.reason ?? paused,
    selection:
      "letters" in selection ? { letters: [...selection.letters] } : shownFilter(selection.filter),
    ratePerSecond: replay.ratePerSecond ?? null,
    sink: sink === undefined ? null : (sink as SinkMembers).sink,
    progress: { total, redriven, waiting, delivered, dead, other },
    created: timeText(replay.created),
    ended: replay.ended === undefined ? null : timeText(replay.ended),
  };
}

function shownFilter(filter: LetterFilter): ShownReplay["selection"] {
  const { since, before, reason, eventType, eventSource, generation } = filter;
  return {
    filter: {
      ...(since === undefined ? {} : { from: timeText(since) }),
      ...(before === undefined ? {} : { to: timeText(before) }),
      ...(reason === undefined ? {} : { reason }),
      ...(eventType === undefined ? {} : { type: eventType }),
      ...(eventSource === undefined ? {} : { source: eventSource }),
      ...(generation === undefined ? {} : { generation }),
    },
  };
}

function timeText(time: EpochMs): string {
  return new Date(time).toISOString();
}

function noSuchReplay(subscription: string, id: string): BrokerError {
  const shown = id.slice(0, limits.labelLengthMax);
  const detail = `subscription '${subscription}' has no replay '${shown}'`;
  return new BrokerError("replay_not_found", detail);
}
