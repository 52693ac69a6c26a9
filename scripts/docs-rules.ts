/** What the docs check holds, as pure functions from text to faults, one line of text each. */
import { posix } from "node:path";

export interface MarkdownFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Headings, links and open fences of one file; code in it counts as no text. */
interface Outline {
  readonly headings: readonly { readonly level: number; readonly title: string }[];
  readonly links: readonly { readonly line: number; readonly target: string }[];
  readonly openFenceLine: number | undefined;
}

export function markdownFaults(
  files: readonly MarkdownFile[],
  fileExists: (path: string) => boolean,
): string[] {
  const outlines = new Map(files.map(({ path, text }) => [path, outlineOf(text)]));
  return files.flatMap(({ path }) => {
    const outline = outlines.get(path) ?? outlineOf("");
    return [
      ...shapeFaults(path, outline),
      ...outline.links.flatMap(({ line, target }) => {
        const fault = linkFault({ path, target, outlines, fileExists });
        return fault === undefined ? [] : [`${path}:${line} ${fault}`];
      }),
    ];
  });
}

function shapeFaults(path: string, outline: Outline): string[] {
  const faults: string[] = [];
  const titles = outline.headings.filter(({ level }) => level === 1).length;
  if (titles !== 1) faults.push(`${path} has ${titles} first-level headings instead of one`);
  if (outline.openFenceLine !== undefined) {
    faults.push(`${path}:${outline.openFenceLine} opens a code fence that is never closed`);
  }
  return faults;
}

interface LinkCheck {
  readonly path: string;
  readonly target: string;
  readonly outlines: ReadonlyMap<string, Outline>;
  readonly fileExists: (path: string) => boolean;
}

function linkFault({ path, target, outlines, fileExists }: LinkCheck): string | undefined {
  const isElsewhere = /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(target);
  if (isElsewhere) return undefined;
  const [place = "", anchor] = target.split("#", 2);
  const linked =
    place === "" ? path : posix.join(posix.dirname(path), decodeURI(place)).replace(/\/$/, "");
  if (linked.startsWith("../")) return `links to ${target}, which is outside the project`;
  if (!fileExists(linked)) return `links to ${target}, which does not exist`;
  const headings = outlines.get(linked)?.headings;
  if (anchor === undefined || headings === undefined) return undefined;
  return anchorsOf(headings).has(anchor)
    ? undefined
    : `links to ${target}, but ${linked} has no such heading`;
}

/** Anchors as GitHub makes them; a repeated heading gets `-1`, `-2` … */
function anchorsOf(headings: Outline["headings"]): Set<string> {
  const anchors = new Set<string>();
  for (const { title } of headings) {
    const base = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
      .replaceAll(" ", "-");
    let anchor = base;
    for (let repeat = 1; anchors.has(anchor); repeat += 1) anchor = `${base}-${repeat}`;
    anchors.add(anchor);
  }
  return anchors;
}

function outlineOf(text: string): Outline {
  const headings: { level: number; title: string }[] = [];
  const links: { line: number; target: string }[] = [];
  let fence: { readonly mark: string; readonly line: number } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const mark = /^\s*(?:[-*>]\s+)*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      const isClosing = new RegExp(`^[\\s>]*${fence.mark}+\\s*$`).test(line);
      if (isClosing) fence = undefined;
    } else if (mark !== undefined) {
      fence = { mark, line: index + 1 };
    } else {
      const heading = /^(#{1,6})\s+(.*?)\s*#*\s*$/.exec(line);
      if (heading !== null) {
        headings.push({ level: heading[1]?.length ?? 0, title: heading[2] ?? "" });
      }
      links.push(...linksOf(line).map((target) => ({ line: index + 1, target })));
    }
  }
  return { headings, links, openFenceLine: fence?.line };
}

function linksOf(line: string): string[] {
  const prose = line.replace(/(`+)[^`].*?\1/g, "");
  const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const definition = /^\s{0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?/.exec(prose);
  return [...inline, ...(definition === null ? [] : [definition])].map((match) => match[1] ?? "");
}

/** The table rows of a document whose first cell is one name in backticks: name → second cell. */
export function tableOf(text: string): Map<string, string> {
  const rows = new Map<string, string>();
  for (const match of text.matchAll(/^\|\s*`([\w.-]+)`\s*\|([^|\n]*)\|/gm)) {
    rows.set(match[1] ?? "", (match[2] ?? "").trim());
  }
  return rows;
}

/** Holds that the table lists exactly the limits, with their values. */
export function limitFaults(limits: Readonly<Record<string, unknown>>, text: string): string[] {
  const rows = tableOf(text);
  const faults = [...rows.keys()]
    .filter((name) => !Object.hasOwn(limits, name))
    .map((name) => `lists ${name}, which is no limit of src/kernel/limits.ts`);
  for (const [name, value] of Object.entries(limits)) {
    const cell = rows.get(name);
    if (cell === undefined) faults.push(`has no row for ${name}`);
    else if (!isSameValue(value, cell)) {
      faults.push(`says ${cell} for ${name}, which is ${String(value)}`);
    }
  }
  return faults;
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  bytes: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A cell is a number with or without a unit, digits grouped or not: `1 MiB`, `20 000`, `10 s`. */
function isSameValue(value: unknown, cell: string): boolean {
  const plain = cell.replaceAll("`", "");
  if (typeof value !== "number") return plain === String(value);
  const parsed = /^(\d[\d\s_,\u00a0\u202f]*(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(plain);
  const factor = units[parsed?.[2] ?? ""];
  if (parsed === null || factor === undefined) return false;
  return Number((parsed[1] ?? "").replace(/[\s_,]/g, "")) * factor === value;
}

interface CodeFacts {
  readonly status: number;
}

/** Holds that the page lists exactly the error codes, each with its HTTP status. */
export function errorCodeFaults(
  codes: Readonly<Record<string, CodeFacts>>,
  text: string,
): string[] {
  const rows = tableOf(text);
  const faults = [...rows.keys()]
    .filter((code) => !Object.hasOwn(codes, code))
    .map((code) => `lists ${code}, which is no code of src/kernel/error-codes.ts`);
  for (const [code, { status }] of Object.entries(codes)) {
    const cell = rows.get(code);
    if (cell === undefined) faults.push(`has no row for ${code}`);
    else if (cell.replaceAll("`", "") !== String(status)) {
      faults.push(`says ${cell} for ${code}, whose status is ${status}`);
    }
  }
  return faults;
}
