/** Prints the values of an event that placeholders and definitions name. */
import type { AttributeValue } from "../event/event.ts";
import { attributeOf } from "../event/event.ts";
import type { Path } from "../expression/path.ts";
import { compileLookup, compileManyLookup } from "../expression/path.ts";
import type { Printed, RenderFailure, SlotMode, ValuePrinter } from "../expression/template.ts";
import { compactJson, escapeText } from "../expression/template.ts";
import type { JsonDocument, JsonNode } from "../kernel/json.ts";
import { missing } from "../kernel/json.ts";
import { limits } from "../kernel/limits.ts";
import type { TransformContext } from "./context.ts";

export type EventPrinter = ValuePrinter<TransformContext>;

/** A constant of any JSON type, which JSON.parse has read. */
export function constantPrinter(value: unknown): EventPrinter {
  const print = (mode: SlotMode): string => {
    if (typeof value === "string") return printText(value, mode);
    const json = JSON.stringify(value);
    return mode === "string" ? escapeText(json) : json;
  };
  return { kind: "constant", print };
}

/** A definition: what the path finds in the event before the commands have changed it. */
export function definitionPrinter(path: Path): EventPrinter {
  const printer = pathPrinter(path);
  if (printer.kind === "constant") return printer;
  return {
    kind: "lookup",
    print(context, mode) {
      const { view } = context;
      context.view = context.before;
      const printed = printer.print(context, mode);
      context.view = view;
      return printed;
    },
  };
}

export function pathPrinter(path: Path): EventPrinter {
  if (path.root !== "data") return attributePrinter(path.root);
  if (path.steps.length === 0) return { kind: "lookup", print: printData };
  if (path.findsMany) return manyPrinter(path);
  const lookup = compileLookup(path.steps);
  return {
    kind: "lookup",
    print(context, mode) {
      const document = context.view.dataDocument();
      if (document === undefined) return undefined;
      const node = lookup(document);
      return node === missing ? undefined : printNode({ document, node }, context, mode);
    },
  };
}

function attributePrinter(name: string): EventPrinter {
  return {
    kind: "lookup",
    print(context, mode) {
      const value = attributeOf(context.view.event, name);
      return value === undefined ? undefined : printAttribute(value, mode);
    },
  };
}

function printAttribute(value: AttributeValue, mode: SlotMode): string {
  return typeof value === "string" ? printText(value, mode) : String(value);
}

/** A decoded string in each of the three ways. */
function printText(text: string, mode: SlotMode): string {
  if (mode === "text") return text;
  return mode === "value" ? JSON.stringify(text) : escapeText(text);
}

/** The whole data: the JSON value, or the text of what is not JSON. */
function printData(context: TransformContext, mode: SlotMode): Printed {
  const document = context.view.dataDocument();
  if (document !== undefined) return printNode({ document, node: document.root }, context, mode);
  const text = context.view.dataText();
  return text === undefined ? undefined : printText(text, mode);
}

interface FoundValue {
  readonly document: JsonDocument;
  readonly node: JsonNode;
}

/**
 * Values are cut out of the data as they were written: numbers keep their digits, and a string that
 * goes into a string needs neither decoding nor escaping. Objects and arrays lose their white space.
 */
function printNode(value: FoundValue, context: TransformContext, mode: SlotMode): Printed {
  const { document, node } = value;
  const kind = document.kind(node);
  if (kind === "object" || kind === "array") {
    const compact = printContainer(value, context);
    return mode === "string" && typeof compact === "string" ? escapeText(compact) : compact;
  }
  if (kind !== "string" || mode === "value") return document.raw(node);
  if (mode === "text") return document.string(node);
  return document.text.slice(document.start(node) + 1, document.end(node) - 1);
}

function printContainer(
  { document, node }: FoundValue,
  context: TransformContext,
): string | RenderFailure {
  context.textLeft -= document.end(node) - document.start(node);
  return context.textLeft < 0 ? tooMuchText : compactJson(document.raw(node));
}

const tooMuchText: RenderFailure = {
  code: "output_too_large",
  message: `the objects and lists that the template inserts are together much larger than ${limits.transformOutputBytesMax} bytes`,
};

/** A path with a slice or `[*]`: a list of what it finds, or missing when it finds nothing. */
function manyPrinter(path: Path): EventPrinter {
  const lookup = compileManyLookup(path.steps);
  const tooMany: RenderFailure = {
    code: "too_many_matches",
    message: `slices and [*] come by more than ${limits.pathMatchesMax} values in one event, the last at ${path.text}`,
  };
  return {
    kind: "lookup",
    print(context, mode) {
      const document = context.view.dataDocument();
      if (document === undefined) return undefined;
      const nodes = lookup(document, context);
      if (nodes === "too_many") return tooMany;
      if (nodes.length === 0) return undefined;
      const list = printList(document, nodes, context);
      return mode === "string" && typeof list === "string" ? escapeText(list) : list;
    },
  };
}

function printList(
  document: JsonDocument,
  nodes: readonly JsonNode[],
  context: TransformContext,
): string | RenderFailure {
  const elements: string[] = [];
  for (const node of nodes) {
    const element = printContainer({ document, node }, context);
    if (typeof element !== "string") return element;
    elements.push(element);
  }
  return `[${elements.join(",")}]`;
}
