import { Type } from "typebox";
import type { TSchema } from "typebox";
import { limits } from "../kernel/limits.ts";
import { writeOnlyMembers } from "./secret-documents.ts";

/**
 * The API as schemas, for /openapi.json only: the broker judges resources itself, because it lists
 * everything that is wrong at once and fills in defaults. A test holds both equal.
 */
const name = (what: string): TSchema =>
  Type.String({ pattern: "^[a-z0-9][a-z0-9_-]{0,62}$", description: what });
const time = (): TSchema => Type.String({ format: "date-time" });
const offset = (): TSchema => Type.Integer({ minimum: 0 });
const nullable = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()]);
const duration = (): TSchema =>
  Type.String({ description: "500ms, 10s, 5m, 1h, 7d or ISO 8601 as PT10S" });
const textMap = (): TSchema => Type.Record(Type.String(), Type.String());

export const problem: TSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String(),
    advice: Type.String(),
    errors: Type.Array(
      Type.Object({
        path: Type.String(),
        code: Type.String(),
        message: Type.String(),
        index: Type.Optional(Type.Integer()),
      }),
    ),
  },
  { description: "RFC 9457 problem details (application/problem+json)" },
);

const retention = Type.Object({
  maxAge: nullable(duration()),
  maxBytes: nullable(Type.Integer({ minimum: 1 })),
  keepUnread: Type.Boolean({
    description: "507 bus_full to publishers rather than expire what a subscription has not read",
  }),
});

const deduplication = Type.Object(
  {
    window: duration(),
    maxKeys: Type.Integer({ minimum: 1, maximum: limits.deduplicationKeysMax }),
  },
  { description: "an event with known source and id is not stored again within the window" },
);

export const busInput: TSchema = Type.Object({
  description: Type.Optional(Type.String({ maxLength: limits.descriptionLengthMax })),
  retention: Type.Optional(Type.Partial(retention)),
  deduplication: Type.Optional(nullable(Type.Partial(deduplication))),
});

export const bus: TSchema = Type.Object({
  name: name("the bus"),
  description: Type.String(),
  retention,
  deduplication: nullable(deduplication),
  created: time(),
  updated: time(),
});

const filter = Type.Object(
  {},
  {
    additionalProperties: true,
    minProperties: 1,
    maxProperties: 1,
    description:
      "exactly one dialect: exact, prefix, suffix (maps), all, any (lists), not (a filter), sql, cel (expressions), pattern (a tree)",
  },
);

const transformer = Type.Object(
  {
    define: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    pipeline: Type.Optional(Type.Array(Type.Object({ command: Type.Array(Type.Unknown()) }))),
    template: Type.Optional(Type.Unknown()),
    templateType: Type.Optional(
      Type.Union([Type.Literal("json"), Type.Literal("text"), Type.Literal("none")]),
    ),
    onMissing: Type.Optional(
      Type.Union([Type.Literal("null"), Type.Literal("omit"), Type.Literal("fail")]),
    ),
    syntax: Type.Optional(Type.Union([Type.Literal("dollar"), Type.Literal("angle")])),
  },
  { additionalProperties: true },
);

function statusList(what: string): TSchema {
  const status = Type.Integer({ minimum: 300, maximum: 599 });
  const classes = [Type.Literal("3xx"), Type.Literal("4xx"), Type.Literal("5xx")];
  return Type.Array(Type.Union([status, ...classes]), {
    maxItems: limits.retryStatusesMax,
    description: `statuses that are ${what}; a number wins over a class`,
  });
}

const retry = Type.Object({
  maxAttempts: nullable(Type.Integer({ minimum: 1 })),
  maxAge: duration(),
  minDelayMs: Type.Integer({ minimum: 1 }),
  maxDelayMs: Type.Integer({ minimum: 1 }),
  delays: Type.Optional(
    Type.Array(Type.String(), {
      minItems: 1,
      maxItems: limits.retryDelaysMax,
      description: "the waits one after the other, as durations, in place of the two delays",
    }),
  ),
  retryOn: Type.Optional(statusList("tried again")),
  failOn: Type.Optional(statusList("not tried again")),
});

const ordering = Type.Object(
  {
    by: Type.String({ description: "an attribute or a path into the data, as in filters" }),
    onFailure: Type.Optional(
      Type.Union([Type.Literal("dead-letter-and-continue"), Type.Literal("block")], {
        description: "what happens to the key when the retries of an event are used up",
      }),
    ),
  },
  { description: "events of one key are delivered strictly one after the other" },
);

const subscriptionConfig = {
  start: Type.Union([Type.String(), offset()], {
    description: "latest (default), earliest, an offset or an RFC 3339 time; resolved once",
  }),
  concurrency: Type.Integer({
    minimum: 1,
    maximum: limits.concurrencyMax,
    description: "attempts in flight at most; fewer while the consumer is slow or asks for less",
  }),
  rateLimit: Type.Integer({
    minimum: 0,
    maximum: limits.rateLimitMax,
    description: "attempts a second at most; 0 = no limit",
  }),
  circuitKey: nullable(
    Type.String({
      maxLength: limits.circuitKeyLengthMax,
      description: "subscriptions with the same key, of any bus, share one circuit",
    }),
  ),
  timeoutMs: Type.Integer({ minimum: 1, maximum: limits.timeoutMsMax }),
  deadLetter: Type.Boolean(),
  paused: Type.Boolean(),
  ordering: nullable(ordering),
};

const protocolSettings = Type.Object({
  method: Type.Optional(
    Type.Union([Type.Literal("POST"), Type.Literal("PUT"), Type.Literal("PATCH")]),
  ),
  headers: Type.Optional(textMap()),
  format: Type.Optional(
    Type.Union([Type.Literal("binary"), Type.Literal("structured"), Type.Literal("batch")]),
  ),
  batch: Type.Optional(
    Type.Object(
      {
        maxEvents: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.sinkBatchEventsMax })),
        maxBytes: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.sinkBatchBytesMax })),
        lingerMs: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: limits.sinkBatchLingerMsMax,
            description: "how long the first event of a batch waits for others",
          }),
        ),
      },
      { description: 'how large batches are; with "format": "batch"' },
    ),
  ),
});

const protocol = Type.Union([Type.Literal("HTTP"), Type.Literal("slack-webhook")]);

const optionalMembers = {
  ...writeOnlyMembers,
  name: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  labels: Type.Optional(textMap()),
  source: Type.Optional(Type.String()),
  types: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  filters: Type.Optional(Type.Array(filter)),
  transformer: Type.Optional(transformer),
  protocolsettings: Type.Optional(protocolSettings),
  config: Type.Optional(
    Type.Partial(Type.Object({ ...subscriptionConfig, retry: Type.Partial(retry) })),
  ),
};

export const subscriptionInput: TSchema = Type.Object({
  ...optionalMembers,
  bus: name("the bus it reads"),
  protocol,
  sink: Type.String({ description: "an http or https URL" }),
});

export const subscriptionPatch: TSchema = Type.Object(
  { ...optionalMembers, protocol: Type.Optional(protocol), sink: Type.Optional(Type.String()) },
  { description: "RFC 7396 merge patch: lists are replaced whole, null removes" },
);

export const subscription: TSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  bus: name("the bus it reads"),
  description: Type.String(),
  labels: textMap(),
  source: Type.Optional(Type.String()),
  types: Type.Optional(Type.Array(Type.String())),
  filters: Type.Array(filter),
  transformer: Type.Optional(transformer),
  protocol,
  sink: Type.String(),
  protocolsettings: protocolSettings,
  hasSigningSecret: Type.Boolean({ description: "whether requests are signed" }),
  hasSinkCredential: Type.Boolean({ description: "whether requests carry a credential" }),
  config: Type.Object({ ...subscriptionConfig, retry }),
  startOffset: offset(),
  revision: Type.Integer(),
  created: time(),
  updated: time(),
  warnings: Type.Array(Type.String()),
});

export const attempt: TSchema = Type.Object({
  time: time(),
  offset: offset(),
  eventId: Type.String(),
  attempt: Type.Integer({ minimum: 1 }),
  outcome: Type.String({ description: "delivered, retry, dead or discarded" }),
  counted: Type.Optional(Type.Boolean()),
  status: nullable(Type.Integer()),
  latencyMs: Type.Number(),
  error: nullable(Type.String()),
  response: nullable(Type.String()),
});

const counterNames = [
  "delivered",
  "filtered",
  "dead",
  "discarded",
  "expired",
  "skipped",
  "parked",
  "inFlight",
  "pending",
] as const;

export const seekInput: TSchema = Type.Object({
  to: Type.Union([Type.String(), offset()], {
    description:
      "earliest, latest, an offset (one below the oldest kept means that) or an RFC 3339 time, " +
      "which means the first event appended at or after it",
  }),
});

export const generationTotals: TSchema = Type.Object({
  generation: Type.Integer({ minimum: 1 }),
  generations: Type.Integer({
    minimum: 1,
    description: "how many generations the entry sums up; more than 1 only in the last entry",
  }),
  start: offset(),
  next: offset(),
  offsets: Type.Integer({ minimum: 0, description: "the sum of the counters" }),
  closed: time(),
  reason: Type.String({ description: "seek or log-lost" }),
  counters: Type.Object(
    Object.fromEntries(
      ["delivered", "filtered", "dead", "discarded", "expired", "skipped", "readAgain"].map(
        (each) => [each, Type.Integer({ minimum: 0 })],
      ),
    ),
  ),
});

const circuitStatus = Type.Object(
  {
    state: Type.Union([Type.Literal("closed"), Type.Literal("open"), Type.Literal("half-open")]),
    reason: nullable(Type.String({ description: "why it is not closed" })),
    nextProbeAt: nullable(Type.String({ format: "date-time" })),
  },
  { description: "open: nobody takes events, they wait and single probes go out" },
);

export const subscriptionStatus: TSchema = Type.Object({
  state: Type.String({ description: "active, paused, backing-off or failing" }),
  reason: nullable(Type.String()),
  generation: Type.Integer({ minimum: 1 }),
  start: offset(),
  position: offset(),
  next: offset(),
  lag: Type.Object({ events: Type.Integer(), seconds: Type.Number() }),
  counters: Type.Object(
    Object.fromEntries(counterNames.map((each) => [each, Type.Integer({ minimum: 0 })])),
    { description: "their sum is next - start" },
  ),
  circuit: circuitStatus,
  blocked: Type.Object(
    {
      count: Type.Integer({ minimum: 0 }),
      heads: Type.Array(
        Type.Object({
          offset: offset(),
          key: Type.String(),
          reason: Type.String(),
          since: time(),
          behind: Type.Integer({ description: "events of the key that wait behind it" }),
        }),
        { maxItems: limits.blockedHeadsShown },
      ),
    },
    { description: "keys that wait for an operator (ordering.onFailure block)" },
  ),
  lastErrors: Type.Array(attempt),
  deadLetters: Type.Object({
    count: Type.Integer({ minimum: 0, description: "of all generations" }),
    countMax: Type.Integer({ description: "beyond it the oldest are discarded" }),
    oldest: nullable(time()),
    ageMax: duration(),
  }),
  warnings: Type.Array(Type.String(), { description: "what needs attention before it bites" }),
  expiredRanges: Type.Array(Type.Object({ from: offset(), to: offset(), reason: Type.String() })),
  previous: Type.Array(generationTotals, {
    maxItems: limits.previousGenerationsMax,
    description: "earlier generations, the latest first; a seek closes one",
  }),
});

export const sinkRequest: TSchema = Type.Object({
  method: Type.String(),
  url: Type.String(),
  headers: textMap(),
  body: Type.String(),
});

export const event: TSchema = Type.Object(
  {
    specversion: Type.Literal("1.0"),
    id: Type.String(),
    source: Type.String(),
    type: Type.String(),
  },
  { additionalProperties: true, description: "a CloudEvent in the JSON event format" },
);

export const delayedEvent: TSchema = Type.Object({
  id: Type.String(),
  due: Type.String({ format: "date-time", description: "when it is put on the bus" }),
  created: time(),
  event,
});

export const deadLetter: TSchema = Type.Object({
  id: Type.String(),
  offset: offset(),
  generation: Type.Integer({ minimum: 1 }),
  time: time(),
  reason: Type.String(),
  event: nullable(event),
  request: nullable(sinkRequest),
  attempts: Type.Array(attempt),
});

export const sourceInput: TSchema = Type.Object({
  kind: Type.String(),
  bus: name("where its events go"),
  description: Type.Optional(Type.String()),
  secret: Type.Optional(
    Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: 2 }), Type.Null()], {
      writeOnly: true,
      description: "absent keeps the stored one, null removes it; two while rotating",
    }),
  ),
  config: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});

export const source: TSchema = Type.Object({
  name: name("the source"),
  kind: Type.String(),
  bus: name("where its events go"),
  description: Type.String(),
  config: Type.Record(Type.String(), Type.Unknown()),
  hasSecret: Type.Boolean(),
  created: time(),
  updated: time(),
});

export const playgroundInput: TSchema = Type.Object({
  ...optionalMembers,
  events: Type.Optional(Type.Array(event, { maxItems: limits.playgroundEventsMax })),
  last: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: limits.playgroundLastMax,
      description: "in place of events: so many of the newest events of the bus",
    }),
  ),
  samples: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: limits.playgroundEventsMax,
      description: "with last: how many of those that passed are shown, default 5",
    }),
  ),
  bus: Type.Optional(Type.String()),
  protocol: Type.Optional(protocol),
  sink: Type.Optional(Type.String()),
});

export const playgroundOutput: TSchema = Type.Object({
  range: Type.Optional(
    Type.Object({
      bus: Type.String(),
      from: offset(),
      next: offset(),
      events: Type.Integer({ minimum: 0 }),
      passed: Type.Integer({ minimum: 0 }),
      failed: Type.Integer({ minimum: 0 }),
    }),
  ),
  results: Type.Array(
    Type.Object({
      offset: Type.Optional(offset()),
      passed: Type.Boolean(),
      clauses: Type.Array(
        Type.Object({ path: Type.String(), passed: Type.Boolean(), reason: Type.String() }),
      ),
      transformed: nullable(event),
      request: nullable(sinkRequest),
      errors: Type.Array(
        Type.Object({ path: Type.String(), code: Type.String(), message: Type.String() }),
      ),
    }),
  ),
});

export const health: TSchema = Type.Object({
  status: Type.String(),
  engine: Type.String(),
  durability: Type.String({ description: "what a 2xx survives: disk, os or memory" }),
  fsync: Type.Union([Type.Literal("always"), Type.Literal("interval"), Type.Literal("never")], {
    description: "whether an event is synced before its 2xx, each second, or when the system likes",
  }),
  writable: Type.Boolean(),
  reason: nullable(Type.String()),
});
