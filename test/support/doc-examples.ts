/** The JSON blocks of a page of the reference: each is an example that a test executes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { JsonDocument } from "../../src/kernel/json.ts";
import { readJson } from "../../src/kernel/json.ts";

const JSON_BLOCK = /^```json\n(.*?)^```$/gms;

export function readDocExamples(page: "filters.md" | "transformers.md"): readonly JsonDocument[] {
  const url = new URL(`../../docs/reference/${page}`, import.meta.url);
  const text = readFileSync(url, "utf8");
  return [...text.matchAll(JSON_BLOCK)].map(([, block = ""]) => {
    const reading = readJson(block);
    assert(reading.ok, `an example of ${page} is no JSON: ${block}`);
    return reading.document;
  });
}

/** The raw text of a member of the example, which must be there. */
export function rawMember(example: JsonDocument, name: string): string {
  const node = example.member(example.root, name);
  assert(node !== -1, `the example has the member '${name}': ${example.text}`);
  return example.raw(node);
}

/** A structured event as JSON text: what is required and absent is put before what is given. */
export function completeEvent(example: JsonDocument): string {
  const required = { specversion: "1.0", id: "1", source: "/test", type: "test" };
  const given = rawMember(example, "event");
  const names = Object.keys(JSON.parse(given) as object);
  const added = Object.entries(required).filter(([name]) => !names.includes(name));
  const members = added.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  if (names.length === 0) return `{${members.join(",")}}`;
  return `{${[...members, given.trim().slice(1)].join(",")}`;
}
