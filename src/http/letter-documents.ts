import { Type } from "typebox";
import type { TSchema } from "typebox";
import { limits } from "../kernel/limits.ts";

/** Parameters that search dead letters and attempts, for /openapi.json and to refuse others. */
const text = (description: string): TSchema => Type.Optional(Type.String({ description }));
const from = text("made at or after this RFC 3339 time");
const to = text("made before this RFC 3339 time");

export const letterFilterParameters: Readonly<Record<string, TSchema>> = {
  from,
  to,
  reason: text("rejected, retries-exhausted, too-old or transform"),
  type: text("the event's type"),
  source: text("the event's source"),
  generation: Type.Optional(Type.Integer({ minimum: 1 })),
};

export const attemptFilterParameters: Readonly<Record<string, TSchema>> = {
  eventId: text("the event's id, as published"),
  offset: Type.Optional(Type.Integer({ minimum: 0 })),
  outcome: text("delivered, retry, dead or discarded"),
  status: text("a status such as 503, or a class such as 5xx"),
  from,
  to,
};

export const redriveInput: TSchema = Type.Object(
  {
    letters: Type.Optional(
      Type.Array(Type.String(), { minItems: 1, maxItems: limits.redriveLettersMax }),
    ),
    filter: Type.Optional(Type.Object({ ...letterFilterParameters })),
    all: Type.Optional(Type.Boolean()),
    ratePerSecond: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: limits.redriveRateMax }),
    ),
    sink: Type.Optional(
      Type.String({ description: "another sink; it gets no credentials and no signature" }),
    ),
    protocol: Type.Optional(Type.String({ description: "of the other sink; HTTP if absent" })),
    protocolsettings: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { description: "which letters: exactly one of letters, filter and all" },
);

const count = (): TSchema => Type.Integer({ minimum: 0 });
const textOrNull = (): TSchema => Type.Union([Type.String(), Type.Null()]);

export const replay: TSchema = Type.Object({
  id: Type.String(),
  subscription: Type.String(),
  kind: Type.Literal("dead-letters"),
  state: Type.String({ description: "running, paused, done, cancelled or failed" }),
  reason: textOrNull(),
  selection: Type.Object({
    letters: Type.Optional(Type.Array(Type.String())),
    filter: Type.Optional(Type.Object({ ...letterFilterParameters })),
  }),
  ratePerSecond: Type.Union([Type.Number(), Type.Null()]),
  sink: textOrNull(),
  progress: Type.Object(
    {
      total: count(),
      redriven: count(),
      waiting: count(),
      delivered: count(),
      dead: count(),
      other: count(),
    },
    { description: "redriven = waiting + delivered + dead + other" },
  ),
  created: Type.String({ format: "date-time" }),
  ended: textOrNull(),
});

export const purged: TSchema = Type.Object({ purged: count() });
