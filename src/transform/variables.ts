import type { EventView } from "../event/event-view.ts";
import { attributeOf } from "../event/event.ts";
import type { Value } from "../expression/functions/commands.ts";
import { constantValue, valueOf } from "../expression/functions/commands.ts";
import type { Path } from "../expression/path.ts";
import { compileLookup, compileManyLookup, parseDollarPath } from "../expression/path.ts";
import { missing } from "../kernel/json.ts";
import { limits } from "../kernel/limits.ts";
import { complainOfConstant } from "./define.ts";

export type TemplateSyntax = "dollar" | "angle";

/** The variables of `define` as commands see them: `${name}`, or `<name>` in the angle syntax. */
export interface Variables {
  /** The name in a text that is exactly one variable. */
  nameIn(text: string): string | undefined;
  isDefined(name: string): boolean;
  unescape(text: string): string;
  /** The value in this event, before any command has changed it. */
  valueOf(name: string, view: EventView): Value | undefined;
}

const NAME_IN: Readonly<Record<TemplateSyntax, RegExp>> = {
  dollar: /^\$\{([^{}$]+)\}$/,
  angle: /^<([^<>$@]+)>$/,
};

/** The definitions have been judged by compileDefine; refused ones only count as defined here. */
export function compileVariables(define: unknown, syntax: TemplateSyntax): Variables {
  const given = typeof define === "object" && define !== null ? Object.entries(define) : [];
  const readers = new Map(given.map(([name, value]) => [name, reader(value)]));
  return {
    nameIn: (text) => NAME_IN[syntax].exec(text)?.[1],
    isDefined: (name) => readers.has(name),
    unescape: (text) =>
      syntax === "dollar" ? text.replaceAll("$${", "${") : text.replaceAll(/\\([<>])/g, "$1"),
    valueOf: (name, view) => readers.get(name)?.(view),
  };
}

type ValueReader = (view: EventView) => Value | undefined;

function reader(definition: unknown): ValueReader {
  if (typeof definition !== "string" || !definition.startsWith("$.")) {
    if (complainOfConstant(definition) !== undefined) return () => undefined;
    const value = constantValue(definition);
    return () => value;
  }
  const reading = parseDollarPath(definition);
  return reading.ok ? pathReader(reading.path) : () => undefined;
}

function pathReader(path: Path): ValueReader {
  if (path.root !== "data") {
    return (view) => {
      const value = attributeOf(view.event, path.root);
      return value === undefined ? undefined : constantValue(value);
    };
  }
  if (path.findsMany) return manyReader(path);
  const lookup = compileLookup(path.steps);
  return (view) => {
    const document = view.dataDocument();
    if (document === undefined) return path.steps.length === 0 ? view.dataText() : undefined;
    const node = lookup(document);
    return node === missing ? undefined : valueOf(document, node);
  };
}

function manyReader(path: Path): ValueReader {
  const lookup = compileManyLookup(path.steps);
  return (view) => {
    const document = view.dataDocument();
    if (document === undefined) return undefined;
    const nodes = lookup(document, { matchesLeft: limits.pathMatchesMax });
    if (nodes === "too_many" || nodes.length === 0) return undefined;
    return nodes.map((node) => valueOf(document, node));
  };
}
