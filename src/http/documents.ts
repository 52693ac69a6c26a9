import { Type } from "typebox";
import type { TSchema } from "typebox";
import { limits } from "../kernel/limits.ts";

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
});

export const busInput: TSchema = Type.Object({
  description: Type.Optional(Type.String({ maxLength: limits.descriptionLengthMax })),
  retention: Type.Optional(Type.Partial(retention)),
});

export const bus: TSchema = Type.Object({
  name: name("the bus"),
  description: Type.String(),
  retention,
  created: time(),
  updated: time(),
});

const filter = Type.Object(
  {},
  {
    additionalProperties: true,
    minProperties: 1,
    maxProperties: 1,
    description: "exactly one dialect: exact, prefix, suffix (maps), all, any (lists), not",
  },
);

const transformer = Type.Object(
  {
    define: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    template: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: true },
);

const retry = Type.Object({
  maxAttempts: nullable(Type.Integer({ minimum: 1 })),
  maxAge: duration(),
  minDelayMs: Type.Integer({ minimum: 1 }),
  maxDelayMs: Type.Integer({ minimum: 1 }),
});

const subscriptionConfig = {
  start: Type.Union([Type.String(), offset()], {
    description: "latest (default), earliest, an offset or an RFC 3339 time; resolved once",
  }),
  concurrency: Type.Integer({ minimum: 1, maximum: limits.concurrencyMax }),
  timeoutMs: Type.Integer({ minimum: 1, maximum: limits.timeoutMsMax }),
  deadLetter: Type.Boolean(),
  paused: Type.Boolean(),
};

const protocolSettings = Type.Object({
  method: Type.Optional(
    Type.Union([Type.Literal("POST"), Type.Literal("PUT"), Type.Literal("PATCH")]),
  ),
  headers: Type.Optional(textMap()),
  format: Type.Optional(Type.Union([Type.Literal("binary"), Type.Literal("structured")])),
});

const protocol = Type.Union([Type.Literal("HTTP"), Type.Literal("slack-webhook")]);

const optionalMembers = {
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
  config: Type.Object({ ...subscriptionConfig, retry }),
  startOffset: offset(),
  revision: Type.Integer(),
  created: time(),
  updated: time(),
  warnings: Type.Array(Type.String()),
});

const attempt = Type.Object({
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
  lastErrors: Type.Array(attempt),
  expiredRanges: Type.Array(Type.Object({ from: offset(), to: offset(), reason: Type.String() })),
});

const sinkRequest = Type.Object({
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

export const deadLetter: TSchema = Type.Object({
  id: Type.String(),
  offset: offset(),
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
  events: Type.Array(event, { maxItems: limits.playgroundEventsMax }),
  bus: Type.Optional(Type.String()),
  protocol: Type.Optional(protocol),
  sink: Type.Optional(Type.String()),
});

export const playgroundOutput: TSchema = Type.Object({
  results: Type.Array(
    Type.Object({
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
  fsync: Type.String(),
  writable: Type.Boolean(),
  reason: nullable(Type.String()),
});
