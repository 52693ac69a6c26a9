import type { Violation } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import { isObject, memberPath, nameKind, quote } from "../../kernel/unchecked.ts";
import type { NetworkGuard } from "../network-guard.ts";

/** A member of `protocolsettings`: what is wrong with its value. */
export type SettingCheck = (value: unknown, path: string) => Iterable<Violation>;

export function checkSinkUrl(sink: unknown, guard: NetworkGuard): readonly Violation[] {
  if (typeof sink !== "string") {
    const message = `must be the URL of the consumer as a string, not ${nameKind(sink)}`;
    return [{ path: "sink", code: "wrong_type", message }];
  }
  return guard
    .objectionsToUrl(sink)
    .map((message) => ({ path: "sink", code: "invalid_sink", message }));
}

/** Checks each member with its rule and names those that have none. */
export function checkSettings(
  settings: unknown,
  checks: Readonly<Record<string, SettingCheck>>,
): readonly Violation[] {
  const root = "protocolsettings";
  if (settings === undefined || settings === null) return [];
  if (!isObject(settings)) {
    const message = `must be an object, not ${nameKind(settings)}`;
    return [{ path: root, code: "wrong_type", message }];
  }
  return Object.entries(settings).flatMap(([name, value]) => {
    const path = memberPath(root, name);
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check !== undefined) return value === undefined ? [] : [...check(value, path)];
    const known = Object.keys(checks).join(", ");
    return [
      { path, code: "unknown_member", message: `${quote(name)} is unknown; known: ${known}` },
    ];
  });
}

/** A check for one of a few words; some of them are promised for a later version. */
export function oneOf(words: readonly string[], later: readonly string[] = []): SettingCheck {
  return function* check(value, path) {
    if (typeof value === "string" && words.includes(value)) return;
    if (typeof value === "string" && later.includes(value)) {
      const message = `'${value}' is not supported by this version yet; use ${words.join(" or ")}`;
      yield { path, code: "not_supported_yet", message };
      return;
    }
    const shown = typeof value === "string" ? quote(value) : nameKind(value);
    yield {
      path,
      code: "invalid_value",
      message: `must be one of ${words.join(", ")}, not ${shown}`,
    };
  };
}

/** The headers of the connection, of the body and of the event belong to the broker. */
const brokersHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const brokersPrefixes = ["ce-", "webhook-", "millrace-"];

export const HEADER_NAME: RegExp = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
/** Printable latin1 and tabs: what HTTP/1.1 carries; above all no line ends. */
export const HEADER_VALUE: RegExp = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Checks `protocolsettings.headers`. */
export function* checkHeaders(headers: unknown, path: string): Iterable<Violation> {
  if (!isObject(headers)) {
    const message = `must be an object of header names and values, not ${nameKind(headers)}`;
    yield { path, code: "wrong_type", message };
    return;
  }
  const entries = Object.entries(headers);
  if (entries.length > limits.sinkHeadersMax) {
    const message = `has ${entries.length} headers; at most ${limits.sinkHeadersMax} (sinkHeadersMax)`;
    yield { path, code: "too_many", message };
    return;
  }
  const seen = new Set<string>();
  let bytes = 0;
  for (const [name, value] of entries) {
    const at = memberPath(path, name);
    const objection = objectionToHeader(name, value, seen);
    if (objection !== undefined) yield { path: at, code: "invalid_value", message: objection };
    seen.add(name.toLowerCase());
    bytes += name.length + (typeof value === "string" ? value.length : 0);
  }
  if (bytes > limits.sinkHeaderBytesMax) {
    const message = `takes ${bytes} bytes; at most ${limits.sinkHeaderBytesMax} (sinkHeaderBytesMax)`;
    yield { path, code: "too_long", message };
  }
}

function objectionToHeader(
  name: string,
  value: unknown,
  seen: ReadonlySet<string>,
): string | undefined {
  if (!HEADER_NAME.test(name)) return `${quote(name)} cannot be the name of a header`;
  const objection = objectionToHeaderName(name);
  if (objection !== undefined) return objection;
  if (seen.has(name.toLowerCase()))
    return `${name} is there twice; names of headers ignore capitals`;
  if (typeof value !== "string") return `must be a string, not ${nameKind(value)}`;
  if (!HEADER_VALUE.test(value)) {
    return "may hold printable latin1 characters only, no line ends and no control characters";
  }
  return undefined;
}

/** Why a name that could be a header's may not be chosen. */
export function objectionToHeaderName(name: string): string | undefined {
  const lower = name.toLowerCase();
  if (brokersHeaders.has(lower)) return `${name} is set by the broker and cannot be chosen`;
  const prefix = brokersPrefixes.find((each) => lower.startsWith(each));
  return prefix === undefined
    ? undefined
    : `headers that begin with ${prefix} are set by the broker`;
}

/** The checked headers as a flat list of lower-case names and values. */
export function flatHeaders(settings: unknown): string[] {
  if (!isObject(settings) || !isObject(settings["headers"])) return [];
  return Object.entries(settings["headers"]).flatMap(([name, value]) => [
    name.toLowerCase(),
    String(value),
  ]);
}
