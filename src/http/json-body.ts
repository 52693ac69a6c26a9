import { isUtf8 } from "node:buffer";
import { BrokerError } from "../kernel/errors.ts";
import type { JsonDocument, JsonNode } from "../kernel/json.ts";
import { readJson } from "../kernel/json.ts";
import { memberPath } from "../kernel/unchecked.ts";

/**
 * Strict and bounded in depth; the position of an error is in the message. A member that is there
 * twice is an error too: JSON.parse keeps the last, and half a filter would be gone without a word.
 */
export function parseJson(body: Buffer): [error: Error | null, body?: unknown] {
  if (!isUtf8(body)) return [new BrokerError("invalid_json", "the body is not UTF-8")];
  const text = body.toString("utf8");
  const reading = readJson(text);
  if (!reading.ok) {
    const why = `the body is no valid JSON: ${reading.failure.message}`;
    return [new BrokerError("invalid_json", why)];
  }
  const repeated = findRepeated(reading.document, reading.document.root, "");
  if (repeated === undefined) return [null, JSON.parse(text)];
  return [new BrokerError("invalid_json", `the member ${repeated} is there twice; keep one`)];
}

/** The path of the first member that an object has twice. */
function findRepeated(document: JsonDocument, node: JsonNode, path: string): string | undefined {
  const seen = new Set<string>();
  let found: string | undefined;
  document.eachElement(node, (element, index) => {
    found ??= findRepeated(document, element, `${path}[${index}]`);
  });
  document.eachMember(node, (key, member) => {
    if (found !== undefined) return;
    const here = memberPath(path, key).replace(/^\./, "");
    if (seen.has(key)) found = here;
    seen.add(key);
    // What an event of the playground holds is the publisher's business.
    if (here !== "events") found ??= findRepeated(document, member, here);
  });
  return found;
}
