import { RE2JS } from "re2js";
import { systemClock } from "../../kernel/clock.ts";
import { limits } from "../../kernel/limits.ts";
import { CommandFailure, CommandRefusal } from "./command-failure.ts";
import type { Command, Work } from "./command.ts";
import { editText } from "./helpers.ts";

export const replaceWithRegex: Command = {
  name: "replace_with_regex",
  group: "string",
  summary: "Replaces every match of a regular expression (RE2, linear time).",
  parameters: [
    { name: "path", kind: "place", summary: "the text to change" },
    { name: "pattern", kind: "constant", summary: "RE2 syntax: no lookaround, no backreferences" },
    { name: "new", kind: "constant", summary: "$1, ${1} and ${name} stand for groups, $$ for $" },
  ],
  examples: [
    {
      command: ["replace_with_regex", "$.data.a", "(\\w+) (\\w+)", "${2}-$1"],
      data: { a: "john smith" },
      result: { data: { a: "smith-john" } },
    },
    {
      command: ["replace_with_regex", "$.data.a", "b?", "_"],
      data: { a: "abc" },
      result: { data: { a: "_a_c_" } },
    },
  ],
  compile(args) {
    const pattern = compilePattern(args.text(1));
    const replacement = parseReplacement(args.text(2), pattern);
    return editText(args, (text, work) => replaceAll({ pattern, replacement, text }, work));
  },
};

function compilePattern(text: string): RE2JS {
  if (text.length > limits.regexLengthMax) {
    const most = `at most ${limits.regexLengthMax} (regexLengthMax)`;
    throw new CommandRefusal(`the pattern has ${text.length} characters; ${most}`, 1);
  }
  let pattern: RE2JS;
  try {
    pattern = RE2JS.compile(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandRefusal(why, 1);
  }
  if (pattern.programSize() <= limits.regexProgramMax) return pattern;
  const most = `at most ${limits.regexProgramMax} (regexProgramMax)`;
  throw new CommandRefusal(`the pattern takes ${pattern.programSize()} steps; ${most}`, 1);
}

/** Texts and numbers of groups. */
type Replacement = readonly (string | number)[];

function parseReplacement(text: string, pattern: RE2JS): Replacement {
  const parts: (string | number)[] = [];
  let at = 0;
  for (const found of text.matchAll(GROUP)) {
    parts.push(text.slice(at, found.index), groupOf(found, pattern));
    at = found.index + found[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}

const GROUP = /\$(?:(\$)|(\d{1,2})|\{([^{}]*)\})/g;

function groupOf(found: RegExpMatchArray, pattern: RE2JS): string | number {
  const [whole, dollar, digits, name] = found;
  if (dollar !== undefined) return "$";
  const text = digits ?? name ?? "";
  const number = /^\d+$/.test(text) ? Number(text) : namedGroup(pattern, text);
  if (number !== undefined && number <= pattern.groupCount()) return number;
  throw new CommandRefusal(
    `${whole}: the pattern has no such group; write $$ for a dollar sign`,
    2,
  );
}

function namedGroup(pattern: RE2JS, name: string): number | undefined {
  const groups: Readonly<Record<string, number>> = pattern.namedGroups();
  return Object.hasOwn(groups, name) ? groups[name] : undefined;
}

interface Replacing {
  readonly pattern: RE2JS;
  readonly replacement: Replacement;
  readonly text: string;
}

/** RE2 takes time in proportion to pattern and text; their product is what is bounded. */
function replaceAll({ pattern, replacement, text }: Replacing, work: Work): string {
  if (pattern.programSize() * text.length > limits.regexWorkMax) {
    const most = `${limits.regexWorkMax} (regexWorkMax)`;
    throw new CommandFailure(`pattern and text are too large together: over ${most} steps`);
  }
  const matcher = pattern.matcher(text);
  const begun = systemClock.monotonic();
  let output = "";
  let at = 0;
  let previousEnd = -1;
  while (matcher.find()) {
    // An empty match right behind another one is none, as in RE2 and Go.
    if (matcher.end() === matcher.start() && matcher.start() === previousEnd) continue;
    previousEnd = matcher.end();
    output += text.slice(at, matcher.start());
    for (const part of replacement) {
      output += typeof part === "string" ? part : (matcher.group(part) ?? "");
    }
    work.spend(1);
    // Each search is linear, but a pattern may look far ahead at every one of its matches.
    if (systemClock.monotonic() - begun > limits.regexTimeMsMax) {
      throw new CommandFailure(`the pattern took more than ${limits.regexTimeMsMax} ms`);
    }
    if (output.length > limits.transformOutputBytesMax) {
      throw new CommandFailure(`the text grows beyond ${limits.transformOutputBytesMax} bytes`);
    }
    at = matcher.end();
  }
  return output + text.slice(at);
}
