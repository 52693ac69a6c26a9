import type { BlockedDecision, Subscription, SubscriptionStatus } from "../api/api.ts";
import type { OpenSink } from "../connector/sink.ts";
import type { SubscriptionPlan } from "../delivery/delivery.ts";
import type { Engine } from "../engine/engine.ts";
import type { Clock, Disposable } from "../kernel/clock.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { BusName } from "../kernel/ids.ts";
import { isName } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import type { Buses, Page, RunningBus, Versioned } from "./buses.ts";
import { formatDuration } from "./durations.ts";
import { mergePatch } from "./merge-patch.ts";
import { describe, ObjectReader, throwIfAny } from "./object-reader.ts";
import type { SubscriptionInput } from "./resource-schemas.ts";
import { readSubscriptionInput } from "./resource-schemas.ts";
import type { ChangeQueue, Entry, ListQuery, Precondition } from "./resource-table.ts";
import { ResourceTable } from "./resource-table.ts";
import { resolvePosition } from "./start-position.ts";
import type { Secrets } from "./secrets.ts";
import type { StoredSubscription } from "./stored-subscription.ts";
import type { SealedSecrets, SecretsInput } from "./subscription-secrets.ts";
import {
  noSealedSecrets,
  objectionsToHeaders,
  sealSecrets,
  unsealCredential,
  unsealSecrets,
  withWriteOnly,
} from "./subscription-secrets.ts";
import type { PlanMaker } from "./subscription-plan.ts";
import { hasSameSink, isolatedPlan } from "./subscription-plan.ts";

export interface SubscriptionsOptions {
  readonly engine: Engine;
  readonly buses: Buses;
  readonly plans: PlanMaker;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly changes: ChangeQueue;
}

/** A sink that was replaced: it closes when the attempts that were under way have ended. */
interface RetiredSink {
  readonly sink: OpenSink;
  readonly timer: Disposable;
}

/** The subscriptions: resources in the store, plans at the delivery of their bus. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #table: ResourceTable<StoredSubscription>;
  readonly #sinks: Map<string, OpenSink> = new Map<string, OpenSink>();
  readonly #retired: Set<RetiredSink> = new Set<RetiredSink>();
  /** On their way into the table; those that are there already and not yet read for count twice. */
  #creating = 0;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    this.#table = new ResourceTable(options.engine.resources, "subscription");
  }

  /** Starts the delivery of every bus with its subscriptions. */
  async open(): Promise<void> {
    await this.#table.load();
    const plans = new Map<BusName, SubscriptionPlan[]>();
    for (const entry of this.#table.values()) {
      const list = plans.get(entry.value.bus) ?? [];
      list.push(this.#reopen(entry));
      plans.set(entry.value.bus, list);
    }
    for (const bus of this.#options.buses.all())
      await bus.delivery.start(plans.get(bus.name) ?? []);
  }

  get(id: string): Versioned<Subscription> {
    return present(this.#require(id));
  }

  list(query: ListQuery): Page<Subscription> {
    const { entries, hasMore } = this.#table.page(query);
    const items = entries.map((entry) => present(entry).value);
    return { items, next: hasMore ? entries.at(-1)?.id : undefined };
  }

  namesOf(bus: BusName): string[] {
    const ids: string[] = [];
    for (const { id, value } of this.#table.values()) if (value.bus === bus) ids.push(id);
    return ids;
  }

  *all(): Iterable<{ readonly id: string; readonly bus: string }> {
    for (const { id, value } of this.#table.values()) yield { id, bus: value.bus };
  }

  create(body: unknown): Promise<Versioned<Subscription>> {
    const input = this.#read(body);
    const { changes, random } = this.#options;
    const change = (): Promise<Versioned<Subscription>> => this.#create(random.id(), input);
    // Secrets may have to make the key first, and that is done once. All else of one that is new
    // under a name of its own concerns nobody: many together share the commits of the store.
    return hasSecrets(input) ? changes.run(change) : changes.runBeside(change);
  }

  put(
    id: string,
    body: unknown,
    precondition: Precondition,
  ): Promise<Versioned<Subscription> & { readonly isNew: boolean }> {
    const input = this.#read(body);
    return this.#options.changes.run(async () => {
      this.#table.check(id, precondition);
      const before = this.#table.get(id);
      if (before !== undefined) return { ...(await this.#change(before, input)), isNew: false };
      checkId(id);
      return { ...(await this.#create(id, input)), isNew: true };
    });
  }

  patch(id: string, patch: unknown, precondition: Precondition): Promise<Versioned<Subscription>> {
    return this.#options.changes.run(async () => {
      const before = this.#require(id);
      this.#table.check(id, precondition);
      const merged = mergePatch(present(before).value, patch);
      return this.#change(before, this.#read(withWriteOnly(merged, patch)));
    });
  }

  setPaused(id: string, paused: boolean): Promise<Versioned<Subscription>> {
    return this.#options.changes.run(async () => {
      const before = this.#require(id);
      if (before.value.config.paused === paused) return present(before);
      const { config, ...rest } = before.value;
      const secrets = { signing: undefined, credential: undefined };
      return this.#change(before, { ...rest, secrets, config: { ...config, paused } });
    });
  }

  /** Reads again from another point, or passes over what lies before it, as a new generation. */
  seek(id: string, body: unknown): Promise<SubscriptionStatus> {
    const to = readSeekInput(body);
    return this.#options.changes.run(async () => {
      const { log, delivery } = this.busOf(id);
      const position = await resolvePosition(to, log, this.#options.clock.now());
      if (!position.ok) throw refusedGoal("invalid_position", position.message);
      await delivery.seek(id, position.offset);
      return this.status(id);
    });
  }

  /** Moves the event at the head of a blocked key. */
  async unblock(
    id: string,
    offset: number,
    decision: BlockedDecision,
  ): Promise<SubscriptionStatus> {
    const { delivery } = this.busOf(id);
    if (decision === "dead-letter" && !this.#require(id).value.config.deadLetter) {
      const detail =
        "this subscription keeps no dead letters (config.deadLetter); skip the event instead";
      throw new BrokerError("invalid_request", detail);
    }
    if (!(await delivery.unblock(id, offset, decision))) {
      const detail = `no key of subscription '${id}' is blocked by offset ${offset}; its status lists those that are`;
      throw new BrokerError("not_blocked", detail);
    }
    return this.status(id);
  }

  delete(id: string, precondition: Precondition): Promise<Subscription> {
    return this.#options.changes.run(async () => {
      const entry = this.#require(id);
      this.#table.check(id, precondition);
      await this.remove(id);
      return present(entry).value;
    });
  }

  /** Only for callers that already hold the queue of changes. */
  async remove(id: string): Promise<void> {
    const entry = this.#table.get(id);
    if (entry === undefined) return;
    // The resource first: what a crash leaves of its state is deleted at the next start.
    await this.#table.delete(id);
    await this.#options.buses.running(entry.value.bus)?.delivery.remove(id);
    const sink = this.#sinks.get(id);
    this.#sinks.delete(id);
    await sink?.close();
  }

  /** As `remove`, some at a time, so that they share the commits of the store. */
  async removeAll(ids: readonly string[]): Promise<void> {
    const step = limits.stateBatchRequestsMax;
    for (let at = 0; at < ids.length; at += step) {
      const removals = await Promise.allSettled(
        ids.slice(at, at + step).map((id) => this.remove(id)),
      );
      const failure = removals.find((one) => one.status === "rejected");
      if (failure !== undefined) throw failure.reason;
    }
  }

  status(id: string): SubscriptionStatus {
    const { delivery } = this.busOf(id);
    const { count, oldest, warnings } = delivery.letters.stock(id);
    return {
      ...delivery.status(id),
      deadLetters: {
        count,
        countMax: limits.deadLettersMax,
        oldest: oldest === undefined ? null : new Date(oldest).toISOString(),
        ageMax: formatDuration(limits.deadLetterAgeMsMax),
      },
      warnings,
    };
  }

  busOf(id: string): RunningBus {
    return this.#options.buses.require(this.#require(id).value.bus);
  }

  count(): number {
    return this.#table.size;
  }

  async closeSinks(): Promise<void> {
    const retired = [...this.#retired];
    this.#retired.clear();
    for (const { timer } of retired) timer.dispose();
    const sinks = [...this.#sinks.values(), ...retired.map(({ sink }) => sink)];
    await Promise.allSettled(sinks.map((sink) => sink.close()));
  }

  #require(id: string): Entry<StoredSubscription> {
    const entry = this.#table.get(id);
    if (entry !== undefined) return entry;
    const shown = id.slice(0, limits.labelLengthMax);
    throw new BrokerError("subscription_not_found", `there is no subscription '${shown}'`);
  }

  #read(body: unknown): SubscriptionInput {
    const violations: Violation[] = [];
    const input = readSubscriptionInput(body, violations);
    violations.push(...this.#options.plans.check(input));
    throwIfAny("the subscription", violations);
    return input;
  }

  async #create(id: string, input: SubscriptionInput): Promise<Versioned<Subscription>> {
    if (this.#table.size + this.#creating >= limits.subscriptionsMax) {
      const detail = `there are ${limits.subscriptionsMax} subscriptions already (subscriptionsMax)`;
      throw new BrokerError("overloaded", detail);
    }
    const bus = this.#options.buses.running(input.bus);
    if (bus === undefined) throw noSuchBus(input.bus);
    this.#creating += 1;
    try {
      return await this.#createOn(bus, id, input);
    } finally {
      this.#creating -= 1;
    }
  }

  async #createOn(
    bus: RunningBus,
    id: string,
    input: SubscriptionInput,
  ): Promise<Versioned<Subscription>> {
    const now = this.#options.clock.now();
    const start = input.config.start ?? "latest";
    const position = await resolvePosition(start, bus.log, now);
    if (!position.ok) {
      throwIfAny("the subscription", [
        { path: "config.start", code: "invalid_start", message: position.message },
      ]);
      throw new BrokerError("invalid_resource", position.message);
    }
    const time = new Date(now).toISOString();
    const { secrets, ...shown } = input;
    const stored: StoredSubscription = {
      ...shown,
      ...(await this.#sealed(id, secrets)),
      config: { ...input.config, start },
      startOffset: position.offset,
      warnings: this.#options.plans.warnings(input),
      created: time,
      updated: time,
    };
    const sink = this.#openSink(id, stored);
    try {
      const entry = await this.#table.put(id, stored);
      await bus.delivery.add(this.#options.plans.plan(entry, sink));
      this.#sinks.set(id, sink);
      return present(entry);
    } catch (error) {
      await sink.close();
      if (this.#table.get(id) !== undefined) await this.#table.delete(id);
      throw error;
    }
  }

  async #change(
    before: Entry<StoredSubscription>,
    input: SubscriptionInput,
  ): Promise<Versioned<Subscription>> {
    refuseImmutable(before.value, input);
    const { id, value } = before;
    const { plans, clock, buses } = this.#options;
    this.#refuseKeptHeader(before, input);
    const { secrets, ...shown } = input;
    const stored: StoredSubscription = {
      ...shown,
      ...(await this.#sealed(id, secrets, value.sealed)),
      config: { ...input.config, start: value.config.start },
      startOffset: value.startOffset,
      warnings: plans.warnings(input),
      created: value.created,
      updated: new Date(clock.now()).toISOString(),
    };
    const previous = this.#sinks.get(id);
    const keepsSink = previous !== undefined && hasSameSink(value, stored);
    const sink = keepsSink ? previous : this.#openSink(id, stored);
    let entry: Entry<StoredSubscription>;
    try {
      entry = await this.#table.put(id, stored);
    } catch (error) {
      if (!keepsSink) await sink.close();
      throw error;
    }
    this.#sinks.set(id, sink);
    buses.require(stored.bus).delivery.update(plans.plan(entry, sink));
    if (previous !== undefined && !keepsSink) this.#retire(previous, value.config.timeoutMs);
    return present(entry);
  }

  #openSink(id: string, stored: StoredSubscription): OpenSink {
    const { plans, secrets } = this.#options;
    const { sealed = noSealedSecrets } = stored;
    return plans.openSink(stored, unsealSecrets(id, sealed, secrets));
  }

  async #sealed(
    id: string,
    input: SecretsInput,
    kept: SealedSecrets = noSealedSecrets,
  ): Promise<Pick<StoredSubscription, "sealed">> {
    const sealed = await sealSecrets(id, input, { secrets: this.#options.secrets, kept });
    return sealed.signing.length > 0 || sealed.credential !== null ? { sealed } : {};
  }

  /** The headers are new, the credential that is kept is not in the request. */
  #refuseKeptHeader(before: Entry<StoredSubscription>, input: SubscriptionInput): void {
    const { sealed } = before.value;
    if (sealed === undefined || input.secrets.credential !== undefined) return;
    const kept = unsealCredential(before.id, sealed, this.#options.secrets);
    throwIfAny("the subscription", objectionsToHeaders(input.protocolsettings, kept));
  }

  #retire(sink: OpenSink, timeoutMs: number): void {
    const retired: RetiredSink = {
      sink,
      timer: this.#options.clock.after(timeoutMs + 1000, () => {
        this.#retired.delete(retired);
        sink.close().catch((error: unknown) => {
          this.#options.logger.warn(
            { error: String(error) },
            "a replaced sink did not close cleanly",
          );
        });
      }),
    };
    this.#retired.add(retired);
  }

  /** A stored subscription that this version cannot compile must not stop the others. */
  #reopen(entry: Entry<StoredSubscription>): SubscriptionPlan {
    const { plans, logger } = this.#options;
    try {
      const sink = this.#openSink(entry.id, entry.value);
      this.#sinks.set(entry.id, sink);
      return plans.plan(entry, sink);
    } catch (error) {
      const fields = { subscription: entry.id, error: String(error) };
      logger.error(
        fields,
        "this subscription cannot be opened and stays paused until it is changed",
      );
      return isolatedPlan(entry);
    }
  }
}

function present(entry: Entry<StoredSubscription>): Versioned<Subscription> {
  const { id, revision, value } = entry;
  const { source, types, transformer } = value;
  const shown: Subscription = {
    id,
    name: value.name,
    bus: value.bus,
    description: value.description,
    labels: value.labels,
    ...(source === undefined ? {} : { source }),
    ...(types === undefined ? {} : { types }),
    filters: value.filters,
    ...(transformer === undefined ? {} : { transformer }),
    protocol: value.protocol,
    sink: value.sink,
    protocolsettings: value.protocolsettings,
    hasSigningSecret: (value.sealed?.signing.length ?? 0) > 0,
    hasSinkCredential: (value.sealed?.credential ?? null) !== null,
    config: value.config,
    startOffset: value.startOffset,
    revision,
    created: value.created,
    updated: value.updated,
    warnings: value.warnings,
  };
  return { value: shown, revision };
}

function readSeekInput(body: unknown): string | number {
  const violations: Violation[] = [];
  const reader = new ObjectReader(body, "", violations);
  const to = reader.present("to");
  reader.refuseUnknown();
  const [first] = violations;
  if (first !== undefined) {
    throw new BrokerError("invalid_request", `seek: ${first.message}`, { violations });
  }
  if (typeof to === "string" || typeof to === "number") return to;
  throw refusedGoal(
    to === undefined ? "missing" : "wrong_type",
    `must be "latest", "earliest", an offset or an RFC 3339 time, not ${describe(to)}`,
  );
}

function refusedGoal(code: string, message: string): BrokerError {
  const violations = [{ path: "to", code, message }];
  return new BrokerError("invalid_request", `seek: to: ${message}`, { violations });
}

function hasSecrets({ secrets }: SubscriptionInput): boolean {
  return (secrets.signing ?? secrets.credential ?? undefined) !== undefined;
}

function checkId(id: string): void {
  if (isName(id)) return;
  throwIfAny("the subscription", [
    {
      path: "id",
      code: "invalid_name",
      message: `must be 1 to ${limits.nameLengthMax} lower-case letters, digits, '-' or '_'`,
    },
  ]);
}

function refuseImmutable(before: StoredSubscription, input: SubscriptionInput): void {
  const violations: Violation[] = [];
  if (input.bus !== before.bus) {
    violations.push({
      path: "bus",
      code: "immutable",
      message: `is '${before.bus}' and cannot be changed; create a new subscription on '${input.bus}'`,
    });
  }
  const { start } = input.config;
  if (start !== undefined && String(start) !== String(before.config.start)) {
    violations.push({
      path: "config.start",
      code: "immutable",
      message: `was resolved at creation to offset ${before.startOffset}; to read from another point use seek`,
    });
  }
  const [first] = violations;
  if (first === undefined) return;
  throw new BrokerError("immutable", `${first.path} ${first.message}`, { violations });
}

function noSuchBus(bus: string): BrokerError {
  const message = `there is no bus '${bus}'; create it first`;
  return new BrokerError("invalid_resource", `the subscription: bus: ${message}`, {
    violations: [{ path: "bus", code: "bus_not_found", message }],
  });
}
