import type { JsonValue, Source } from "../api/api.ts";
import type { WebhookRequest, WebhookSource } from "../connector/source.ts";
import { findSourceKind, sourceKinds } from "../connector/sources.ts";
import type { Engine } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";
import type { Buses, Page, Versioned } from "./buses.ts";
import { joinPath, throwIfAny } from "./object-reader.ts";
import type { Publisher } from "./publisher.ts";
import type { SourceInput } from "./resource-schemas.ts";
import { checkName, readSourceInput } from "./resource-schemas.ts";
import type { ChangeQueue, Entry, ListQuery, Precondition } from "./resource-table.ts";
import { ResourceTable } from "./resource-table.ts";
import type { SealedSecret, Secrets } from "./secrets.ts";

interface StoredSource {
  readonly kind: string;
  readonly bus: string;
  readonly description: string;
  readonly config: Readonly<Record<string, JsonValue>>;
  readonly secrets: readonly SealedSecret[];
  readonly created: string;
  readonly updated: string;
}

export interface SourcesOptions {
  readonly engine: Engine;
  readonly buses: Buses;
  readonly publisher: Publisher;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly changes: ChangeQueue;
}

export interface HookAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: string;
}

/** The sources: resources in the store, opened to receive webhooks. */
export class Sources {
  readonly #options: SourcesOptions;
  readonly #table: ResourceTable<StoredSource>;
  readonly #open: Map<string, WebhookSource> = new Map<string, WebhookSource>();

  constructor(options: SourcesOptions) {
    this.#options = options;
    this.#table = new ResourceTable(options.engine.resources, "source");
  }

  async open(): Promise<void> {
    await this.#table.load();
    for (const entry of this.#table.values()) {
      try {
        this.#openSource(entry);
      } catch (error) {
        const fields = { source: entry.id, error: String(error) };
        this.#options.logger.error(fields, "this source cannot be opened; its hook answers 404");
      }
    }
  }

  get(name: string): Versioned<Source> {
    return present(this.#require(name));
  }

  list(query: ListQuery): Page<Source> {
    const { entries, hasMore } = this.#table.page(query);
    const items = entries.map((entry) => present(entry).value);
    return { items, next: hasMore ? entries.at(-1)?.id : undefined };
  }

  namesOf(bus: string): string[] {
    const names: string[] = [];
    for (const { id, value } of this.#table.values()) if (value.bus === bus) names.push(id);
    return names;
  }

  put(
    name: string,
    body: unknown,
    precondition: Precondition,
  ): Promise<Versioned<Source> & { readonly isNew: boolean }> {
    const violations: Violation[] = [];
    checkName("source", name, violations);
    const input = readSourceInput(name, body, violations);
    return this.#options.changes.run(async () => {
      this.#table.check(name, precondition);
      const before = this.#table.get(name);
      this.#judge(input, before?.value, violations);
      throwIfAny(`source '${name.slice(0, limits.nameLengthMax)}'`, violations);
      if (before === undefined && this.#table.size >= limits.sourcesMax) {
        const detail = `there are ${limits.sourcesMax} sources already (sourcesMax)`;
        throw new BrokerError("overloaded", detail);
      }
      const entry = await this.#table.put(name, await this.#stored(name, input, before?.value));
      this.#openSource(entry);
      return { ...present(entry), isNew: before === undefined };
    });
  }

  delete(name: string, precondition: Precondition): Promise<Source> {
    return this.#options.changes.run(async () => {
      const { value } = this.get(name);
      this.#table.check(name, precondition);
      await this.remove(name);
      return value;
    });
  }

  /** Only for callers that already hold the queue of changes. */
  async remove(name: string): Promise<void> {
    this.#open.delete(name);
    await this.#table.delete(name);
  }

  /** A webhook came in; resolves with the answer once its events are durable. */
  async receive(name: string, request: WebhookRequest): Promise<HookAnswer> {
    const source = this.#open.get(name);
    const entry = this.#table.get(name);
    if (source === undefined || entry === undefined) throw noSuchSource(name);
    const verdict = source.receive(request);
    switch (verdict.verdict) {
      case "refuse":
        throw new BrokerError(verdict.code, verdict.message);
      case "answer":
        return { status: verdict.status, contentType: verdict.contentType, body: verdict.body };
      case "publish":
        await this.#publish(entry.value.bus, verdict.events);
        return { status: verdict.status, contentType: undefined, body: "" };
    }
  }

  #publish(busName: string, events: readonly CloudEvent[]): Promise<void> {
    const bus = this.#options.buses.require(busName);
    return new Promise((resolve, reject) => {
      this.#options.publisher.publish(bus, events, (failure) => {
        if (failure === undefined) resolve();
        else reject(failure);
      });
    });
  }

  /** What depends on the kind, the bus and what is stored already. */
  #judge(input: SourceInput, before: StoredSource | undefined, violations: Violation[]): void {
    if (input.bus !== "" && this.#options.buses.running(input.bus) === undefined) {
      const message = `there is no bus '${input.bus.slice(0, limits.nameLengthMax)}'; create it first`;
      violations.push({ path: "bus", code: "bus_not_found", message });
    }
    const kind = findSourceKind(input.kind);
    if (kind === undefined) {
      const known = sourceKinds.map((each) => each.name).join(", ");
      const message = `unknown kind '${input.kind}'; known: ${known}`;
      if (input.kind !== "") violations.push({ path: "kind", code: "unknown_kind", message });
      return;
    }
    for (const each of kind.validate(input.config)) {
      violations.push({
        ...each,
        path: each.path === "" ? "config" : joinPath("config", each.path),
      });
    }
    const keeps = input.secrets === undefined && (before?.secrets.length ?? 0) > 0;
    const hasSecret = keeps || (input.secrets ?? []).length > 0;
    if (kind.signs && !hasSecret && !violations.some((each) => each.path === "secret")) {
      const message = `is required: a source of kind ${kind.name} accepts signed requests only`;
      violations.push({ path: "secret", code: "missing", message });
    }
  }

  async #stored(
    name: string,
    input: SourceInput,
    before: StoredSource | undefined,
  ): Promise<StoredSource> {
    const updated = new Date(this.#options.clock.now()).toISOString();
    const { kind, bus, description, config } = input;
    const created = before?.created ?? updated;
    let secrets = before?.secrets ?? [];
    if (input.secrets !== undefined) {
      const sealed: SealedSecret[] = [];
      for (const secret of input.secrets ?? []) {
        sealed.push(await this.#options.secrets.seal(secret, ownerOf(name)));
      }
      secrets = sealed;
    }
    return { kind, bus, description, config, secrets, created, updated };
  }

  #openSource(entry: Entry<StoredSource>): void {
    const { clock, random, secrets } = this.#options;
    const { kind: kindName, config } = entry.value;
    const kind = findSourceKind(kindName);
    if (kind === undefined) throw new BrokerError("invalid_resource", `unknown kind '${kindName}'`);
    const opened = entry.value.secrets.map((each) => secrets.unseal(each, ownerOf(entry.id)));
    this.#open.set(entry.id, kind.open({ secrets: opened, config, clock, random }));
  }

  #require(name: string): Entry<StoredSource> {
    const entry = this.#table.get(name);
    if (entry === undefined) throw noSuchSource(name);
    return entry;
  }
}

/** What a sealed secret is bound to. */
function ownerOf(name: string): string {
  return `source/${name}`;
}

function present(entry: Entry<StoredSource>): Versioned<Source> {
  const { kind, bus, description, config, secrets, created, updated } = entry.value;
  const hasSecret = secrets.length > 0;
  return {
    value: { name: entry.id, kind, bus, description, config, hasSecret, created, updated },
    revision: entry.revision,
  };
}

function noSuchSource(name: string): BrokerError {
  const shown = name.slice(0, limits.nameLengthMax);
  return new BrokerError("source_not_found", `there is no source '${shown}'`);
}
