import type {
  BlockedDecision,
  Attempt,
  Bus,
  DeadLetter,
  DelayedEvent,
  EventExplanation,
  PlaygroundRange,
  PlaygroundResult,
  Problem,
  Replay,
  Source,
  Subscription,
  SubscriptionStatus,
} from "../api/api.ts";
import {
  attemptsPath,
  busPath,
  deadLetterExportPath,
  deadLetterPath,
  deadLetterRedrivePath,
  deadLettersPath,
  delayedEventPath,
  delayedPath,
  eventPath,
  eventsPath,
  explainPath,
  headerNames,
  mediaTypes,
  pausePath,
  paths,
  replayPath,
  replaysPath,
  resumePath,
  seekPath,
  unblockPath,
  sourcePath,
  statusPath,
  subscriptionPath,
} from "../api/routes.ts";
import { exportBus, importBus, searchOf, streamBus } from "./bus-streams.ts";
import type {
  ByteSource,
  ExportAnswer,
  ExportOptions,
  ImportAnswer,
  ImportOptions,
  StreamItem,
  StreamOptions,
} from "./bus-streams.ts";
import { ClientError, UnreachableError } from "./client-errors.ts";
import type { RequestOptions } from "./client-errors.ts";

export { ClientError, UnreachableError } from "./client-errors.ts";
export type {
  ByteSource,
  ExportAnswer,
  ExportOptions,
  ImportAnswer,
  ImportOptions,
  StreamItem,
  StreamOptions,
} from "./bus-streams.ts";

/** Where the broker is and who asks. */
export interface ClientOptions {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly token?: string | undefined;
  readonly fetch?: typeof fetch;
}

export interface PublishAnswer {
  /** Undefined while the event is delayed. */
  readonly offset: number | undefined;
  /** The id of an event that waits for its time. */
  readonly delayed: string | undefined;
}

export interface ReadAnswer {
  /** Structured events, in order. */
  readonly events: readonly Record<string, unknown>[];
  readonly offsets: readonly number[];
  readonly next: number;
  /** `a-b` ranges that hold no event any more. */
  readonly gaps: string | undefined;
}

/** Query parameters of a list; those that are undefined are not sent. */
export type ListSearch = Readonly<Record<string, string | number | undefined>>;

export interface ReadOptions {
  /** An offset, `earliest`, `latest` or an RFC 3339 time. */
  readonly from: string;
  readonly limit: number;
  readonly waitMs?: number;
  /** As in a subscription; all must hold. */
  readonly filters?: readonly unknown[];
}

/**
 * The HTTP API as functions. Each rejects with ClientError when the broker refuses and with
 * UnreachableError when there is none.
 */
export class MillraceClient {
  readonly #options: ClientOptions;
  readonly #fetch: typeof fetch;

  readonly #ask = (options: RequestOptions): Promise<Response> => this.#request(options);

  constructor(options: ClientOptions) {
    this.#options = { ...options, url: options.url.replace(/\/+$/, "") };
    this.#fetch = options.fetch ?? fetch;
  }

  buses(): Promise<readonly Bus[]> {
    return this.#list<Bus>(paths.buses);
  }

  bus(name: string): Promise<Bus> {
    return this.#json<Bus>("GET", busPath(name));
  }

  /** Creates the bus; a bus of that name that exists already is a ClientError, not a change. */
  createBus(name: string, settings: Readonly<Record<string, unknown>>): Promise<Bus> {
    return this.#json<Bus>("PUT", busPath(name), settings, { "if-none-match": "*" });
  }

  /** Creates the bus or changes the one that exists. */
  putBus(name: string, settings: Readonly<Record<string, unknown>>): Promise<Bus> {
    return this.#json<Bus>("PUT", busPath(name), settings);
  }

  deleteBus(name: string, options: { cascade: boolean }): Promise<Bus> {
    return this.#json<Bus>("DELETE", `${busPath(name)}${options.cascade ? "?cascade=true" : ""}`);
  }

  subscriptions(): Promise<readonly Subscription[]> {
    return this.#list<Subscription>(paths.subscriptions);
  }

  subscription(id: string): Promise<Subscription> {
    return this.#json<Subscription>("GET", subscriptionPath(id));
  }

  createSubscription(body: Readonly<Record<string, unknown>>): Promise<Subscription> {
    return this.#json<Subscription>("POST", paths.subscriptions, body);
  }

  /** Merges the members into it; null removes one. */
  patchSubscription(id: string, patch: Readonly<Record<string, unknown>>): Promise<Subscription> {
    return this.#json<Subscription>("PATCH", subscriptionPath(id), patch);
  }

  deleteSubscription(id: string): Promise<Subscription> {
    return this.#json<Subscription>("DELETE", subscriptionPath(id));
  }

  pauseSubscription(id: string): Promise<Subscription> {
    return this.#json<Subscription>("POST", pausePath(id));
  }

  resumeSubscription(id: string): Promise<Subscription> {
    return this.#json<Subscription>("POST", resumePath(id));
  }

  unblockSubscription(
    id: string,
    offset: number,
    decision: BlockedDecision,
  ): Promise<SubscriptionStatus> {
    return this.#json<SubscriptionStatus>("POST", unblockPath(id, offset, decision));
  }

  /** `to` is `earliest`, `latest`, an offset or an RFC 3339 time. */
  seekSubscription(id: string, to: string | number): Promise<SubscriptionStatus> {
    return this.#json<SubscriptionStatus>("POST", seekPath(id), { to });
  }

  subscriptionStatus(id: string): Promise<SubscriptionStatus> {
    return this.#json<SubscriptionStatus>("GET", statusPath(id));
  }

  /** One page of the attempts log, newest first. */
  attempts(id: string, query: ListSearch): Promise<readonly Attempt[]> {
    return this.#json("GET", withSearch(attemptsPath(id), query));
  }

  /** What became of an event, for the subscriptions of its bus or for one of them. */
  explain(bus: string, offset: number, query: ListSearch = {}): Promise<EventExplanation> {
    return this.#json("GET", withSearch(explainPath(bus, offset), query));
  }

  /** One page of dead letters, oldest first. */
  deadLetters(id: string, query: ListSearch): Promise<readonly DeadLetter[]> {
    return this.#json("GET", withSearch(deadLettersPath(id), query));
  }

  deadLetter(id: string, letter: string): Promise<DeadLetter> {
    return this.#json("GET", deadLetterPath(id, letter));
  }

  /** Deletes those that pass, at most `limit` of them; answers how many. */
  async purgeDeadLetters(id: string, query: ListSearch): Promise<number> {
    const path = withSearch(deadLettersPath(id), query);
    return (await this.#json<{ readonly purged: number }>("DELETE", path)).purged;
  }

  /** Dead letters as JSON lines. Rejects while reading when the connection breaks off. */
  async exportDeadLetters(id: string, query: ListSearch): Promise<AsyncIterable<Uint8Array>> {
    const path = withSearch(deadLetterExportPath(id), query);
    const { body } = await this.#request({ method: "GET", path });
    return body ?? new ReadableStream<Uint8Array>();
  }

  /** `letters`, `filter` or `all`, and what else docs/reference/dead-letters.md tells. */
  redriveDeadLetters(id: string, body: Readonly<Record<string, unknown>>): Promise<Replay> {
    return this.#json("POST", deadLetterRedrivePath(id), body);
  }

  replays(id: string): Promise<readonly Replay[]> {
    return this.#list<Replay>(replaysPath(id));
  }

  replay(id: string, replay: string): Promise<Replay> {
    return this.#json("GET", replayPath(id, replay));
  }

  cancelReplay(id: string, replay: string): Promise<Replay> {
    return this.#json("DELETE", replayPath(id, replay));
  }

  /** The request as JSON text, so that the numbers of its events stay as written. */
  async playground(request: string): Promise<{
    readonly results: readonly PlaygroundResult[];
    readonly range?: PlaygroundRange;
  }> {
    const answer = await this.#request({
      method: "POST",
      path: paths.playground,
      contentType: mediaTypes.json,
      body: request,
    });
    return (await answer.json()) as {
      readonly results: readonly PlaygroundResult[];
      readonly range?: PlaygroundRange;
    };
  }

  putSource(name: string, body: Readonly<Record<string, unknown>>): Promise<Source> {
    return this.#json<Source>("PUT", sourcePath(name), body);
  }

  /** Publishes one structured event, given as JSON text so that its numbers stay as written. */
  async publish(
    bus: string,
    structuredEvent: string,
    options: { readonly delay?: string } = {},
  ): Promise<PublishAnswer> {
    const { delay } = options;
    const answer = await this.#request({
      method: "POST",
      path: eventsPath(bus),
      contentType: mediaTypes.event,
      body: structuredEvent,
      ...(delay === undefined ? {} : { headers: { [headerNames.delay]: delay } }),
    });
    const offset = answer.headers.get(headerNames.offset);
    return {
      offset: offset === null ? undefined : Number(offset),
      delayed: answer.headers.get(headerNames.delayed) ?? undefined,
    };
  }

  /** One page of the events that wait for their time, the next one first. */
  delayed(
    bus: string,
    query: { readonly limit: number; readonly after?: string },
  ): Promise<readonly DelayedEvent[]> {
    const search = new URLSearchParams({ ...query, limit: String(query.limit) });
    return this.#json("GET", `${delayedPath(bus)}?${search.toString()}`);
  }

  /** Rejects with ClientError `delayed_not_found` when it has been appended already. */
  cancelDelayed(bus: string, id: string): Promise<DelayedEvent> {
    return this.#json("DELETE", delayedEventPath(bus, id));
  }

  async event(bus: string, offset: number): Promise<Record<string, unknown>> {
    return this.#json("GET", eventPath(bus, offset));
  }

  async read(bus: string, query: ReadOptions): Promise<ReadAnswer> {
    const search = searchOf(query);
    search.set("limit", String(query.limit));
    if (query.waitMs !== undefined) search.set("waitMs", String(query.waitMs));
    const answer = await this.#request({
      method: "GET",
      path: `${eventsPath(bus)}?${search.toString()}`,
    });
    const offsets = answer.headers.get(headerNames.offsets) ?? "";
    return {
      events: (await answer.json()) as Record<string, unknown>[],
      offsets: offsets === "" ? [] : offsets.split(",").map(Number),
      next: Number(answer.headers.get(headerNames.nextOffset)),
      gaps: answer.headers.get(headerNames.gap) ?? undefined,
    };
  }

  /**
   * Follows a bus for as long as the caller iterates. When the connection breaks it connects again
   * and goes on after the last event; what the broker refuses is thrown.
   */
  stream(bus: string, options: StreamOptions): AsyncGenerator<StreamItem> {
    return streamBus(this.#ask, bus, options);
  }

  /** A bus, or a part of it, as JSON lines. */
  exportBus(bus: string, options: ExportOptions = {}): Promise<ExportAnswer> {
    return exportBus(this.#ask, bus, options);
  }

  /** Imports JSON lines, in several requests when they are many. */
  importBus(bus: string, source: ByteSource, options: ImportOptions = {}): Promise<ImportAnswer> {
    return importBus(this.#ask, { bus, source }, options);
  }

  /** Follows the Link headers to the end: callers want all, and lists are bounded by the broker. */
  async #list<Item>(path: string): Promise<readonly Item[]> {
    const items: Item[] = [];
    let next: string | undefined = path;
    while (next !== undefined) {
      const answer: Response = await this.#request({ method: "GET", path: next });
      items.push(...((await answer.json()) as Item[]));
      next = nextLink(answer.headers.get("link"));
    }
    return items;
  }

  async #json<Value>(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Value> {
    const options: RequestOptions =
      body === undefined
        ? { method, path, headers }
        : { method, path, headers, contentType: mediaTypes.json, body: JSON.stringify(body) };
    const answer = await this.#request(options);
    return (await answer.json()) as Value;
  }

  async #request(options: RequestOptions): Promise<Response> {
    const headers: Record<string, string> = { ...options.headers };
    if (options.contentType !== undefined) headers["content-type"] = options.contentType;
    if (this.#options.token !== undefined)
      headers["authorization"] = `Bearer ${this.#options.token}`;
    const init: RequestInit = { method: options.method, headers, redirect: "error" };
    if (options.body !== undefined) init.body = options.body;
    if (options.body instanceof ReadableStream) init.duplex = "half";
    if (options.signal !== undefined) init.signal = options.signal;
    const answer = await this.#fetchOrExplain(options.path, init);
    if (answer.ok) return answer;
    throw new ClientError(await problemOf(answer));
  }

  async #fetchOrExplain(path: string, init: RequestInit): Promise<Response> {
    const fetchFrom = this.#fetch;
    try {
      return await fetchFrom(this.#options.url + path, init);
    } catch (thrown) {
      throw new UnreachableError(
        `cannot reach a broker at ${this.#options.url}: ${reasonOf(thrown)}`,
        {
          cause: thrown,
        },
      );
    }
  }
}

/** fetch hides the system's reason in `cause`. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { cause } = thrown;
  if (cause instanceof Error) return cause.message === "" ? cause.name : cause.message;
  return thrown.message;
}

async function problemOf(answer: Response): Promise<Problem> {
  const text = await answer.text();
  if (answer.headers.get("content-type")?.startsWith(mediaTypes.problem)) {
    return JSON.parse(text) as Problem;
  }
  return {
    type: "about:blank",
    title: "Not an answer of a Millrace broker",
    status: answer.status,
    detail: `status ${answer.status}: ${text.slice(0, 200)}`,
    code: "unknown_answer",
    advice: "Check the address given with --url.",
    errors: [],
  };
}

function withSearch(path: string, query: ListSearch): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.size === 0 ? path : `${path}?${search.toString()}`;
}

function nextLink(header: string | null): string | undefined {
  for (const link of (header ?? "").split(",")) {
    const [target, ...parameters] = link.split(";").map((part) => part.trim());
    if (target?.startsWith("<") && parameters.includes('rel="next"')) {
      const url = new URL(target.slice(1, -1), "http://relative.invalid");
      return url.pathname + url.search;
    }
  }
  return undefined;
}
