/** What the keys of `exact`, `prefix` and `suffix` name: one scalar of an event, as text. */
import type { EventView } from "../event/event-view.ts";
import { attributeOf } from "../event/event.ts";
import type { NodeLookup, Path } from "../expression/path.ts";
import { compileLookup } from "../expression/path.ts";
import { missing } from "../kernel/json.ts";

export interface ScalarReader {
  /** The canonical text of the value; undefined when there is none to compare. */
  read(view: EventView): string | undefined;
  /** A sentence about why there is none. */
  explainAbsence(view: EventView): string;
}

export function compileScalarReader(path: Path): ScalarReader {
  if (path.root !== "data") return attributeReader(path.root);
  return path.steps.length === 0 ? wholeDataReader : dataReader(path);
}

function attributeReader(name: string): ScalarReader {
  const explainAbsence = (): string => `the event has no attribute '${name}'`;
  if (name === "type") return { read: (view) => view.event.type, explainAbsence };
  if (name === "source") return { read: (view) => view.event.source, explainAbsence };
  return {
    read(view) {
      const value = attributeOf(view.event, name);
      // CloudEvents compares canonical strings: the integer 5 equals "5".
      return value === undefined || typeof value === "string" ? value : String(value);
    },
    explainAbsence,
  };
}

const wholeDataReader: ScalarReader = {
  read: (view) => view.dataText(),
  explainAbsence: (view) =>
    view.event.data === undefined ? "the event has no data" : "the data is not text in UTF-8",
};

function dataReader(path: Path): ScalarReader {
  const lookup = compileLookup(path.steps);
  return {
    read: (view) => readScalar(view, lookup),
    explainAbsence: (view) => explainNoScalar(view, lookup, path.text),
  };
}

function readScalar(view: EventView, lookup: NodeLookup): string | undefined {
  const document = view.dataDocument();
  if (document === undefined) return undefined;
  const node = lookup(document);
  if (node === missing) return undefined;
  const kind = document.kind(node);
  if (kind === "string") return document.string(node);
  return kind === "number" || kind === "boolean" ? document.raw(node) : undefined;
}

function explainNoScalar(view: EventView, lookup: NodeLookup, text: string): string {
  const document = view.dataDocument();
  if (document === undefined) {
    return view.event.data === undefined ? "the event has no data" : "the data is not JSON";
  }
  const node = lookup(document);
  if (node === missing) return `the data has nothing at ${text}`;
  const kind = document.kind(node);
  const named = kind === "null" ? kind : `an ${kind}`;
  return `${text} is ${named}, and only strings, numbers and booleans are compared`;
}
