import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonDocument } from "../../src/kernel/json.ts";
import { missing, readJson } from "../../src/kernel/json.ts";
import { cpuMs } from "../support/cpu-time.ts";

function documentOf(text: string): JsonDocument {
  const reading = readJson(text);
  assert(reading.ok);
  return reading.document;
}

/** More lookups than it takes until a wide container gets its index. */
const LOOKUPS = 100;

test("members of a wide object are found the same before and after it has an index", () => {
  const members = Array.from({ length: 500 }, (_, index) => `"k${index}":${index}`);
  const document = documentOf(`{${members.join(",")},"k7":"last","\\u0061\\"":1,"__proto__":2}`);
  const at = (key: string): string | undefined => {
    const node = document.member(document.root, key);
    return node === missing ? undefined : document.raw(node);
  };
  for (let lookup = 0; lookup < LOOKUPS; lookup += 1) {
    assert.equal(at(`k${lookup + 100}`), String(lookup + 100));
    assert.equal(at("k7"), '"last"');
    assert.equal(at('a"'), "1");
    assert.equal(at("__proto__"), "2");
    assert.equal(at("constructor"), undefined);
  }
});

test("elements of a wide array are found the same before and after it has an index", () => {
  const document = documentOf(
    `[${Array.from({ length: 500 }, (_, index) => `[${index}]`).join(",")}]`,
  );
  for (let lookup = 0; lookup < LOOKUPS; lookup += 1) {
    const position = 499 - lookup;
    assert.equal(document.raw(document.element(document.root, position)), `[${position}]`);
    assert.equal(document.element(document.root, 500), missing);
    assert.equal(document.element(document.root, -1), missing);
  }
});

test("a thousand lookups in an object of sixty thousand members take no thousand walks", () => {
  const members = Array.from({ length: 60_000 }, (_, index) => `"k${index}":${index}`);
  const document = documentOf(`{${members.join(",")}}`);
  const started = cpuMs();
  for (let lookup = 0; lookup < 10_000; lookup += 1) document.member(document.root, "k59999");
  // Walked through, this takes ten seconds and more; indexed, some milliseconds.
  assert(cpuMs() - started < 2000);
});
