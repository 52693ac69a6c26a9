import { isUtf8 } from "node:buffer";
import { BrokerError } from "../kernel/errors.ts";
import { readJson } from "../kernel/json.ts";

/** Strict and bounded in depth; the position of an error is in the message. */
export function parseJson(body: Buffer): [error: Error | null, body?: unknown] {
  if (!isUtf8(body)) return [new BrokerError("invalid_json", "the body is not UTF-8")];
  const text = body.toString("utf8");
  const reading = readJson(text);
  if (reading.ok) return [null, JSON.parse(text)];
  return [new BrokerError("invalid_json", `the body is no valid JSON: ${reading.failure.message}`)];
}
