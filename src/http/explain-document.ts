import { Type } from "typebox";
import type { TSchema } from "typebox";
import { attempt, generationTotals, sinkRequest } from "./documents.ts";

const nullable = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()]);

/** The answer of explain, for /openapi.json. */
export const eventExplanation: TSchema = Type.Object({
  bus: Type.String(),
  offset: Type.Integer({ minimum: 0 }),
  event: nullable(
    Type.Object({
      id: Type.String(),
      source: Type.String(),
      type: Type.String(),
      subject: Type.Optional(Type.String()),
    }),
  ),
  kept: Type.String({ description: "log, rescued, expired or damaged" }),
  appended: nullable(Type.String({ format: "date-time" })),
  subscriptions: Type.Array(
    Type.Object({
      subscription: Type.String(),
      name: Type.String(),
      generation: Type.Integer({ minimum: 1 }),
      start: Type.Integer({ minimum: 0 }),
      state: Type.String({
        description:
          "before-start, pending, waiting, in-flight, parked, delivered, filtered, dead, discarded, expired, skipped, or settled when nothing is kept that could say how",
      }),
      reason: Type.String(),
      until: nullable(Type.String({ format: "date-time" })),
      deadLetter: nullable(Type.String()),
      earlierDeadLetters: Type.Array(Type.String()),
      filters: nullable(
        Type.Array(
          Type.Object({ path: Type.String(), passed: Type.Boolean(), reason: Type.String() }),
          { description: "what the filters of today say" },
        ),
      ),
      attempts: Type.Array(attempt),
      request: nullable(sinkRequest),
      previous: Type.Array(generationTotals),
    }),
  ),
});
