/** The vectors of test/vectors, whose events and numbers stay as written. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readJson } from "../../src/kernel/json.ts";

export interface Vector {
  readonly name: string;
  /** The structured event as JSON text. */
  readonly event: string;
  /** The case as JSON.parse reads it. */
  readonly facts: VectorFacts;
}

/** The members of a case that the tests look at. */
export interface VectorFacts {
  readonly name: string;
  readonly filter?: unknown;
  /** The versions whose syntax the template has. */
  readonly vanus?: string;
  readonly transformer?: { readonly template?: unknown; readonly pipeline?: unknown };
  /** A command of a pipeline, and what is defined beside it. */
  readonly command?: readonly unknown[];
  readonly vars?: Readonly<Record<string, unknown>>;
  readonly expect: {
    readonly create: string;
    readonly match?: boolean;
    readonly result?: string;
    readonly datacontenttype?: string;
    /** The text of a rendered template; the JSON value that commands leave. */
    readonly data?: unknown;
    readonly extensions?: Readonly<Record<string, unknown>>;
  };
}

export function readVectors(
  file: "filters.json" | "templates.json" | "transform-functions.json",
): readonly Vector[] {
  const text = readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8");
  const reading = readJson(text);
  assert(reading.ok, `${file} is JSON`);
  const { document } = reading;
  const vectors: Vector[] = [];
  document.eachElement(document.root, (node) => {
    const facts = JSON.parse(document.raw(node)) as VectorFacts;
    vectors.push({ name: facts.name, event: document.raw(document.member(node, "event")), facts });
  });
  return vectors;
}

export interface KnownDifference {
  readonly name: string;
  /** The sentence of the design that decides, or the vector's own note. */
  readonly because: string;
  /** What happens here. */
  readonly here: string;
}

/**
 * The vectors that come out differently must be exactly those of the list: it cannot grow unseen,
 * and what is mended must leave it.
 */
export function assertDifferences(
  differing: readonly string[],
  known: readonly KnownDifference[],
): void {
  const expected = known.map((difference) => difference.name).toSorted();
  assert.deepEqual(differing.toSorted(), expected, "differences from the vectors");
}
