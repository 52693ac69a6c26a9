import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { TSchema } from "typebox";
import { compileReadFilter } from "../broker/broker.ts";
import type { EventMatcher, GapList } from "../broker/broker.ts";
import { valuesOf } from "./request.ts";

/** What all ways of reading a bus have in common. */
export const FILTER_PARAMETER = "filter";

export function matcherOf(request: FastifyRequest): EventMatcher | undefined {
  return compileReadFilter(valuesOf(request, FILTER_PARAMETER));
}

/** `3-9,12-12`: inclusive. */
export function gapText(gaps: GapList): string {
  return gaps
    .all()
    .map(({ from, to }) => `${from}-${to}`)
    .join(",");
}

export const fromParameter: TSchema = Type.Optional(
  Type.String({ description: "an offset, earliest (default), latest or an RFC 3339 time" }),
);

export const filterParameter: TSchema = Type.Optional(
  Type.String({
    description:
      "one filter object or a list of them, as in a subscription, as JSON; may be repeated: all must hold",
  }),
);
