import type { FastifyReply, FastifyRequest } from "fastify";
import type { Page, Precondition, Versioned } from "../broker/broker.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

/** Reading and answering, the same for every resource. */
export function parameter(request: FastifyRequest, name: string): string {
  const parameters = request.params as Readonly<Record<string, string | undefined>>;
  return parameters[name] ?? "";
}

/**
 * The query parameters; one that the route does not know, or that is repeated, is an error. Those
 * that may be repeated are named apart, and read with valuesOf.
 */
export function queryOf(
  request: FastifyRequest,
  known: readonly string[],
  repeatable: readonly string[] = [],
): Readonly<Record<string, string | undefined>> {
  const query = request.query as Readonly<Record<string, unknown>>;
  const violations: Violation[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (repeatable.includes(name)) continue;
    if (!known.includes(name)) {
      const names = [...known, ...repeatable];
      const list = names.length === 0 ? "none" : names.join(", ");
      const message = `there is no query parameter '${name.slice(0, 100)}' here; known: ${list}`;
      violations.push({ path: name, code: "unknown_parameter", message });
    } else if (typeof value !== "string") {
      violations.push({
        path: name,
        code: "repeated",
        message: `'${name}' is given more than once`,
      });
    }
  }
  const [first] = violations;
  if (first !== undefined) throw new BrokerError("invalid_request", first.message, { violations });
  return query as Readonly<Record<string, string | undefined>>;
}

/** Every value of a query parameter that may be repeated, in order. */
export function valuesOf(request: FastifyRequest, name: string): readonly string[] {
  const value = (request.query as Readonly<Record<string, unknown>>)[name];
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

interface WholeNumber {
  readonly min: number;
  readonly max: number;
  readonly absent: number;
}

export function wholeNumber(name: string, text: string | undefined, range: WholeNumber): number {
  if (text === undefined) return range.absent;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  const shown = JSON.stringify(text.slice(0, 100));
  const message = `must be a whole number from ${range.min} to ${range.max}, not ${shown}`;
  throw new BrokerError("invalid_request", `${name} ${message}`, {
    violations: [{ path: name, code: "out_of_range", message }],
  });
}

export function flagOf(name: string, text: string | undefined): boolean {
  if (text === undefined || text === "true" || text === "false") return text === "true";
  const message = `must be true or false, not ${JSON.stringify(text.slice(0, 100))}`;
  throw new BrokerError("invalid_request", `${name} ${message}`, {
    violations: [{ path: name, code: "invalid_value", message }],
  });
}

export function listQueryOf(request: FastifyRequest): { limit: number; after: string | undefined } {
  const query = queryOf(request, ["limit", "after"]);
  const range = { min: 1, max: limits.listItemsMax, absent: limits.listItemsDefault };
  return { limit: wholeNumber("limit", query["limit"], range), after: query["after"] };
}

/** If-Match with our ETags, If-None-Match with `*`. */
export function preconditionOf(request: FastifyRequest): Precondition {
  const match = request.headers["if-match"]?.trim();
  const noneMatch = request.headers["if-none-match"]?.trim();
  if (noneMatch !== undefined && noneMatch !== "*") {
    throw new BrokerError("invalid_request", "If-None-Match takes only * here");
  }
  return {
    ...(match === undefined ? {} : { ifMatch: match === "*" ? "*" : revisionsOf(match) }),
    ...(noneMatch === undefined ? {} : { ifNoneMatch: "*" }),
  };
}

/** ETags of other makers match nothing, which is what the header asks for. */
function revisionsOf(header: string): number[] {
  return header.split(",").flatMap((tag) => {
    const ours = /^\s*"(\d{1,16})"\s*$/.exec(tag);
    return ours === null ? [] : [Number(ours[1])];
  });
}

export function sendVersioned<Value>(
  reply: FastifyReply,
  { value, revision }: Versioned<Value>,
): FastifyReply {
  return reply.header("etag", `"${revision}"`).send(value);
}

/** A list with the link to what follows; `body` where the list is a part of something. */
export function sendPage<Value>(
  request: FastifyRequest,
  reply: FastifyReply,
  page: Page<Value>,
  body: unknown = page.items,
): FastifyReply {
  if (page.next !== undefined) {
    const [path = "", query] = request.url.split("?", 2);
    const search = new URLSearchParams(query);
    search.set("after", page.next);
    reply.header("link", `<${path}?${search.toString()}>; rel="next"`);
  }
  return reply.send(body);
}
