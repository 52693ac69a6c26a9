import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { AttributeValue, CloudEvent } from "./event.ts";
import { isAttributeName } from "./event.ts";
import { isTimestamp } from "./timestamp.ts";
import { isUriReference } from "./uri-reference.ts";

/**
 * The rules for context attributes (CloudEvents 1.0 §3), whatever way an event came in. Every
 * violation is listed, so that a producer mends an event in one go.
 */
export interface Reporter {
  report(path: string, code: ViolationCode, message: string): void;
}

export type ViolationCode =
  | "missing"
  | "repeated"
  | "invalid_name"
  | "invalid_type"
  | "invalid_value"
  | "invalid_data"
  | "invalid_json"
  | "invalid_utf8"
  | "too_large";

export interface ViolationList extends Reporter {
  readonly violations: readonly Violation[];
}

/** A list that stops at limits.validationErrorsMax: a hostile batch must not fill the memory. */
export function createViolationList(index?: number): ViolationList {
  const violations: Violation[] = [];
  return {
    violations,
    report(path, code, message) {
      if (violations.length >= limits.validationErrorsMax) return;
      const violation = { path, code, message };
      violations.push(index === undefined ? violation : { ...violation, index });
    },
  };
}

/** Everything that is wrong with the attributes of an event made by the broker itself. */
export function validateEvent(event: CloudEvent): readonly Violation[] {
  const list = createViolationList();
  checkRequired("id", event.id, list);
  checkRequired("source", event.source, list);
  checkRequired("type", event.type, list);
  for (const name of ["id", "source", "type"] as const) checkAttribute(name, event[name], list);
  for (const name of ["subject", "time", "datacontenttype", "dataschema"] as const) {
    const value = event[name];
    if (value !== undefined) checkAttribute(name, value, list);
  }
  for (const [name, value] of event.extensions) {
    if (isExtensionName(name, list)) checkAttribute(name, value, list);
  }
  return list.violations;
}

export function checkRequired(name: string, value: string | undefined, reporter: Reporter): void {
  if (value === undefined) {
    reporter.report(name, "missing", `${name} is missing; every CloudEvent needs a non-empty one`);
  }
}

/** Names that the specification defines; their values are strings in every format. */
export function isCoreName(name: string): boolean {
  // A switch, because for names cut out of a request a Set would have to hash each first.
  switch (name) {
    case "id":
    case "source":
    case "type":
    case "specversion":
    case "time":
    case "subject":
    case "datacontenttype":
    case "dataschema":
      return true;
    default:
      return false;
  }
}

function isExtensionName(name: string, reporter: Reporter): boolean {
  if (isCoreName(name)) {
    reporter.report(
      name,
      "invalid_name",
      `${name} is not an extension; set the attribute of that name`,
    );
    return false;
  }
  return checkName(name, reporter);
}

export function checkName(name: string, reporter: Reporter): boolean {
  if (isAttributeName(name)) return true;
  const reason =
    name === "data"
      ? "data is no attribute; send it as the body, or as the member data of the JSON format"
      : `attribute name ${quote(name)} is not made of a-z and 0-9 only; rename it`;
  reporter.report(name, "invalid_name", reason);
  return false;
}

/** Checks the value of an attribute with a good name. */
export function checkAttribute(name: string, value: AttributeValue, reporter: Reporter): void {
  if (typeof value === "boolean") return;
  if (typeof value === "number") {
    if (!isInt32(value)) {
      reporter.report(name, "invalid_value", notAnInteger(name, String(value)));
    }
    return;
  }
  const forbidden = findForbidden(value);
  if (forbidden === undefined) {
    checkMeaning(name, value, reporter);
    return;
  }
  const shown = `U+${forbidden.toString(16).toUpperCase().padStart(4, "0")}`;
  reporter.report(
    name,
    "invalid_value",
    `${name} ${quote(value)} holds ${shown}; attributes may hold no control characters, noncharacters or lone surrogates`,
  );
}

/** Checks what a value whose characters are known to be fine must mean under that name. */
export function checkMeaning(name: string, value: string, reporter: Reporter): void {
  const advice = adviceFor(name, value);
  if (advice !== undefined) {
    reporter.report(name, "invalid_value", `${name} ${quote(value)} ${advice}`);
  }
}

function adviceFor(name: string, value: string): string | undefined {
  switch (name) {
    case "id":
    case "type":
      return value === "" ? "is empty; give it at least one character" : undefined;
    case "source":
      if (value === "") return "is empty; give it at least one character";
      return isUriReference(value)
        ? undefined
        : "is not a URI-reference (RFC 3986); write it as https://example.com/shop or /shop, with other characters percent-encoded";
    case "subject":
      return value === "" ? "is empty; leave the attribute out instead" : undefined;
    case "time":
      return isTimestamp(value)
        ? undefined
        : "is not an RFC 3339 timestamp; write it as 2026-01-31T23:59:59Z";
    case "specversion":
      return value === "1.0" ? undefined : "is not supported; send 1.0";
    case "dataschema":
      return isAbsoluteUri(value)
        ? undefined
        : "is not an absolute URI; write it as https://example.com/schema";
    case "datacontenttype":
      return isMediaType(value)
        ? undefined
        : "is not a media type; write it as application/json, parameters after a semicolon";
    default:
      return undefined;
  }
}

export function notAnInteger(name: string, shown: string): string {
  return `${name} ${shorten(shown)} is not a 32-bit integer without fraction and exponent; send it as a string`;
}

export function isInt32(value: number): boolean {
  return Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31;
}

/** Printable ASCII, as nearly every attribute is, needs no closer look. */
const NOT_PRINTABLE_ASCII = /[^ -~]/;

/** The first code point that the type String excludes (§3.1), or undefined. */
function findForbidden(value: string): number | undefined {
  if (!NOT_PRINTABLE_ASCII.test(value)) return undefined;
  for (const character of value) {
    const code = character.codePointAt(0) ?? 0;
    if (isForbidden(code)) return code;
  }
  return undefined;
}

function isForbidden(code: number): boolean {
  if (code <= 0x1f || (code >= 0x7f && code <= 0x9f)) return true;
  if (code >= 0xd800 && code <= 0xdfff) return true;
  return (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
}

const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}|\\^`]+$/;

function isAbsoluteUri(value: string): boolean {
  return ABSOLUTE_URI.test(value);
}

/**
 * RFC 2045 with the quoting of RFC 9110, in printable ASCII because it travels as a header line.
 * After each semicolon exactly one way of matching exists: the pattern cannot backtrack wildly.
 */
const MEDIA_TYPE =
  /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[ \t]*(?:;[ \t]*(?:[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"(?:[ !#-[\]-~]|\\[ -~])*")[ \t]*)?)*$/;

function isMediaType(value: string): boolean {
  return value === "application/json" || MEDIA_TYPE.test(value);
}

const SHOWN_LENGTH_MAX = 60;

function shorten(text: string): string {
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`;
}

/** A value for a message: shortened, and escaped so that it stays one line. */
export function quote(value: string): string {
  return JSON.stringify(shorten(value));
}
