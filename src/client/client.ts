import type { Bus, Problem, Source, Subscription, SubscriptionStatus } from "../api/api.ts";
import {
  busPath,
  eventPath,
  eventsPath,
  headerNames,
  mediaTypes,
  pausePath,
  paths,
  resumePath,
  sourcePath,
  statusPath,
  subscriptionPath,
} from "../api/routes.ts";

/** Where the broker is and who asks. */
export interface ClientOptions {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly token?: string | undefined;
  readonly fetch?: typeof fetch;
}

/** The broker refused: its problem details, and the status. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** The broker could not be reached, or what answered is not a broker. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

export interface PublishAnswer {
  readonly offset: number | undefined;
}

export interface ReadAnswer {
  /** Structured events, in order. */
  readonly events: readonly Record<string, unknown>[];
  readonly offsets: readonly number[];
  readonly next: number;
  /** `a-b` ranges that hold no event any more. */
  readonly gaps: string | undefined;
}

interface RequestOptions {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

/**
 * The HTTP API as functions. Each rejects with ClientError when the broker refuses and with
 * UnreachableError when there is none.
 */
export class MillraceClient {
  readonly #options: ClientOptions;
  readonly #fetch: typeof fetch;

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

  deleteSubscription(id: string): Promise<Subscription> {
    return this.#json<Subscription>("DELETE", subscriptionPath(id));
  }

  pauseSubscription(id: string): Promise<Subscription> {
    return this.#json<Subscription>("POST", pausePath(id));
  }

  resumeSubscription(id: string): Promise<Subscription> {
    return this.#json<Subscription>("POST", resumePath(id));
  }

  subscriptionStatus(id: string): Promise<SubscriptionStatus> {
    return this.#json<SubscriptionStatus>("GET", statusPath(id));
  }

  putSource(name: string, body: Readonly<Record<string, unknown>>): Promise<Source> {
    return this.#json<Source>("PUT", sourcePath(name), body);
  }

  /** Publishes one structured event, given as JSON text so that its numbers stay as written. */
  async publish(bus: string, structuredEvent: string): Promise<PublishAnswer> {
    const answer = await this.#request({
      method: "POST",
      path: eventsPath(bus),
      contentType: mediaTypes.event,
      body: structuredEvent,
    });
    const offset = answer.headers.get(headerNames.offset);
    return { offset: offset === null ? undefined : Number(offset) };
  }

  async event(bus: string, offset: number): Promise<Record<string, unknown>> {
    return this.#json("GET", eventPath(bus, offset));
  }

  async read(bus: string, query: { from: string; limit: number }): Promise<ReadAnswer> {
    const search = new URLSearchParams({ from: query.from, limit: String(query.limit) });
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
