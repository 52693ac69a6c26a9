/**
 * The house rules as pure functions from a set of files to violations, one line of text each, so
 * that the rules can be tested on small made-up sets. The tables of the real house are in
 * test/tidy.test.ts.
 */
import { posix } from "node:path";
import { findCycles, importsOfAll } from "./imports.ts";
import type { FileSet, ImportFact } from "./imports.ts";
import { lineOf, splitSource } from "./source-text.ts";

export interface House {
  /** Folder under src/ → floor. */
  readonly floors: Readonly<Record<string, number>>;
  /** Files directly in src/, above every floor; each may import those listed before it. */
  readonly roof: readonly string[];
  /** Folder → its files that other folders may import. `"all"`: each of its files is a door. */
  readonly doors: Readonly<Record<string, readonly string[] | "all">>;
  /** Folder → the only imports it may make outside itself, as folders or files under src/. */
  readonly diet: Readonly<Record<string, Diet>>;
}

export interface Diet {
  readonly imports: readonly string[];
  readonly packages: boolean;
}

export interface ForbiddenGlobal {
  readonly name: string;
  readonly pattern: RegExp;
  readonly allowedIn: readonly string[];
}

export function floorViolations(files: FileSet, house: House): string[] {
  const homeless = [...files.keys()]
    .filter((path) => floorOf(path, house) === undefined)
    .map((path) => `${path} is in no folder of the house (the floors table lists them)`);
  const faults = importsOfAll(files).flatMap((fact) => {
    const fault = faultOfImport(fact, house);
    return fault === undefined ? [] : [`${fact.from}:${fact.line} ${fault}`];
  });
  return [...homeless, ...faults];
}

function faultOfImport(fact: ImportFact, house: House): string | undefined {
  const fromFloor = floorOf(fact.from, house);
  if (fromFloor === undefined) return undefined;
  const fromFolder = folderOf(fact.from);
  const diet = house.diet[fromFolder];
  if (fact.to === undefined) {
    return diet === undefined || diet.packages
      ? undefined
      : `${fromFolder} may not import packages, but imports ${fact.specifier}`;
  }
  if (!fact.to.startsWith("src/")) return `imports ${fact.to}, which is outside src/`;
  const toFolder = folderOf(fact.to);
  if (toFolder === fromFolder && toFolder !== "") return undefined;
  const toFloor = floorOf(fact.to, house);
  if (toFloor === undefined) return `imports ${fact.to}, which is in no folder of the house`;
  if (toFloor > fromFloor) return `imports ${fact.to}: up, from floor ${fromFloor} to ${toFloor}`;
  if (toFloor === fromFloor) return `imports ${fact.to}: sideways on floor ${toFloor}`;
  if (diet !== undefined && !diet.imports.some((part) => isUnder(fact.to, `src/${part}`))) {
    return `imports ${fact.to}: ${fromFolder} may import only ${diet.imports.join(", ")}`;
  }
  return isDoor(fact.to, house) ? undefined : `imports ${fact.to}, which is no door of ${toFolder}`;
}

function folderOf(path: string): string {
  const parts = path.split("/");
  return parts.length > 2 ? (parts[1] ?? "") : "";
}

function floorOf(path: string, house: House): number | undefined {
  const folder = folderOf(path);
  if (folder !== "") return house.floors[folder];
  const place = house.roof.indexOf(posix.basename(path));
  const top = Math.max(...Object.values(house.floors));
  return place === -1 ? undefined : top + 1 + place;
}

function isDoor(path: string, house: House): boolean {
  const folder = folderOf(path);
  if (folder === "") return true;
  const doors = house.doors[folder] ?? [];
  if (doors === "all") return true;
  const name = path.slice(`src/${folder}/`.length);
  return name === `${folder}.ts` || doors.includes(name);
}

function isUnder(path: string | undefined, place: string): boolean {
  return path !== undefined && (path === place || path.startsWith(`${place}/`));
}

export function cycleViolations(files: FileSet): string[] {
  return findCycles(importsOfAll(files)).map((ring) => `cycle: ${ring.join(" → ")}`);
}

export function lengthViolations(files: FileSet, linesMax: number): string[] {
  return [...files].flatMap(([path, text]) => {
    const lines = text.trimEnd().split("\n").length;
    const isGenerated = text.slice(0, 500).includes("@generated");
    return lines > linesMax && !isGenerated
      ? [`${path} has ${lines} lines (${linesMax} at most)`]
      : [];
  });
}

const bannedInComments: readonly { readonly pattern: RegExp; readonly fault: string }[] = [
  { pattern: /\b(?:TODO|FIXME|XXX)\b(?!\s*\(?#\d+)/, fault: "a TODO without an issue number" },
  { pattern: /@ts-(?:ignore|nocheck|expect-error)/, fault: "a switched-off type check" },
  {
    pattern: /\b(?:oxlint|eslint)-disable(?![^\n]*\s--\s+\S)/,
    fault: "a lint rule disabled without a reason after `--`",
  },
];

export function commentViolations(files: FileSet): string[] {
  return [...files].flatMap(([path, text]) =>
    splitSource(text).comments.flatMap((comment) =>
      bannedInComments
        .filter(({ pattern }) => pattern.test(comment.text))
        .map(({ fault }) => `${path}:${comment.line} has ${fault}`),
    ),
  );
}

export function globalViolations(files: FileSet, forbidden: readonly ForbiddenGlobal[]): string[] {
  const faults: string[] = [];
  for (const [path, text] of files) {
    const { code } = splitSource(text);
    for (const { name, pattern, allowedIn } of forbidden) {
      const found = allowedIn.includes(path) ? null : pattern.exec(code);
      if (found === null) continue;
      faults.push(
        `${path}:${lineOf(code, found.index)} uses ${name} (only in ${allowedIn.join(", ")})`,
      );
    }
  }
  return faults;
}

export interface Packages {
  /** Package name → version as package.json writes it. */
  readonly versions: Readonly<Record<string, string>>;
  readonly decisionTexts: readonly string[];
}

export function dependencyViolations({ versions, decisionTexts }: Packages): string[] {
  return Object.entries(versions).flatMap(([name, version]) => {
    const faults: string[] = [];
    if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)) {
      faults.push(`${name} is not pinned to one version: ${version}`);
    }
    if (!decisionTexts.some((text) => text.includes(`\`${name}\``))) {
      faults.push(`${name} has no record in docs/decisions that names it in backticks`);
    }
    return faults;
  });
}

/** Imports of packages that package.json does not list under `dependencies`. */
export function undeclaredViolations(files: FileSet, declared: readonly string[]): string[] {
  return importsOfAll(files)
    .filter(({ to, specifier }) => to === undefined && !specifier.startsWith("node:"))
    .filter(({ specifier }) => !declared.includes(packageOf(specifier)))
    .map(({ from, line, specifier }) => `${from}:${line} imports undeclared ${specifier}`);
}

function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

export interface TestPlaces {
  readonly testFiles: readonly string[];
  /** Folders that have source files, as in `src/engine/embedded`. */
  readonly sourceFolders: ReadonlySet<string>;
  /** Folders of test/ that mirror nothing. */
  readonly ownFolders: readonly string[];
}

export function testPlaceViolations(places: TestPlaces): string[] {
  return places.testFiles.flatMap((path) => {
    const folder = posix.dirname(path).replace(/^test\/?/, "");
    const isOwn = folder === "" || places.ownFolders.includes(folder.split("/")[0] ?? "");
    return isOwn || places.sourceFolders.has(`src/${folder}`)
      ? []
      : [`${path} mirrors no folder: src/${folder} has no files`];
  });
}

export interface LintConfig {
  readonly rules?: Readonly<Record<string, unknown>>;
  readonly overrides?: readonly {
    readonly files: readonly string[];
    readonly rules: Readonly<Record<string, unknown>>;
  }[];
}

/** Rules that must be errors for all of src/, switched on at the root or for `src/**`. */
export function lintViolations(config: LintConfig, rules: readonly string[]): string[] {
  const sourceRules = (config.overrides ?? []).find(({ files }) => files.includes("src/**"))?.rules;
  return rules.flatMap((rule) => {
    const setting = sourceRules?.[rule] ?? config.rules?.[rule];
    const level = Array.isArray(setting) ? setting[0] : setting;
    return level === "error" ? [] : [`lint rule ${rule} is not an error for src/`];
  });
}
