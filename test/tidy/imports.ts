import { posix } from "node:path";
import { lineOf, splitSource } from "./source-text.ts";

export interface ImportFact {
  /** The importing file, as in `src/http/server.ts`. */
  readonly from: string;
  readonly specifier: string;
  /** The imported file of the project; undefined for a package or a built-in module. */
  readonly to: string | undefined;
  readonly line: number;
}

/** Paths relative to the root, with forward slashes, and the text of each file. */
export type FileSet = ReadonlyMap<string, string>;

const importForms: readonly RegExp[] = [
  // `import … from`, `import type … from`, `export … from`. No quote may stand before `from`.
  /(?:^|[;}\n])\s*(?:import|export)\b[^"'`;]*?\bfrom\s*["']([^"']+)["']/g,
  // `import "side-effect"`
  /(?:^|[;}\n])\s*import\s*["']([^"']+)["']/g,
  // `import("lazy")` and the type form `import("x").Y`
  /\bimport\s*\(\s*["']([^"']+)["']/g,
];

export function importsOf(path: string, text: string): ImportFact[] {
  const { withoutComments } = splitSource(text);
  const facts: ImportFact[] = [];
  for (const form of importForms) {
    for (const match of withoutComments.matchAll(form)) {
      const specifier = match[1] ?? "";
      const isRelative = specifier.startsWith(".");
      facts.push({
        from: path,
        specifier,
        to: isRelative ? posix.join(posix.dirname(path), specifier) : undefined,
        line: lineOf(withoutComments, match.index + match[0].length),
      });
    }
  }
  return facts;
}

export function importsOfAll(files: FileSet): ImportFact[] {
  return [...files].flatMap(([path, text]) => importsOf(path, text));
}

/** Each group of files that import each other in a ring, as the ring's path; empty when tidy. */
export function findCycles(imports: readonly ImportFact[]): string[][] {
  const graph = new Map<string, Set<string>>();
  for (const { from, to } of imports) {
    if (to !== undefined) graph.set(from, (graph.get(from) ?? new Set()).add(to));
  }
  const done = new Set<string>();
  const cycles: string[][] = [];
  const visit = (file: string, trail: string[]): void => {
    const seenAt = trail.indexOf(file);
    if (seenAt !== -1) cycles.push([...trail.slice(seenAt), file]);
    if (seenAt !== -1 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return cycles;
}
