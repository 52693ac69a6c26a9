/**
 * Compiles a parsed template into a flat list of texts and slots and runs it. The list has depth
 * only where items are left out when their value is missing.
 */
import { limits } from "../kernel/limits.ts";
import type { Placeholder, Reference } from "./placeholder.ts";
import type { ContainerItem, SlotMode, TemplatePart } from "./template-text.ts";

/** Why a template could not be rendered. */
export interface RenderFailure {
  readonly code: "missing_value" | "output_too_large" | "too_many_matches";
  readonly message: string;
}

/** A value as text; undefined when it is missing. */
export type Printed = string | undefined | RenderFailure;

/** Prints one value of what a template is rendered for, in each of the three ways. */
export type ValuePrinter<Context> =
  /** Printed once, when the template is compiled. */
  | { readonly kind: "constant"; readonly print: (mode: SlotMode) => string }
  | {
      readonly kind: "lookup";
      readonly print: (context: Context, mode: SlotMode) => Printed;
    };

/** What happens where a value is missing; "null" is the default. */
export type OnMissing = "null" | "omit" | "fail";

export interface TemplateOptions<Context> {
  readonly onMissing: OnMissing;
  /** Whether a member or element whose whole value this is goes when there is none. */
  readonly isOmitted: (reference: Reference) => boolean;
  /** The printer of what a placeholder refers to; all references have been checked. */
  readonly bind: (reference: Reference) => ValuePrinter<Context>;
}

export interface CompiledTemplate<Context> {
  render(context: Context): string | RenderFailure;
}

interface Slot<Context> {
  readonly print: (context: Context, mode: SlotMode) => Printed;
  readonly mode: SlotMode;
  /** What is printed for a missing value; undefined fails. */
  readonly ifMissing: string | undefined;
  readonly text: string;
}

interface Container<Context> {
  readonly open: string;
  readonly close: string;
  readonly items: readonly {
    readonly steps: readonly Step<Context>[];
    /** Without this value the item is left out. */
    readonly needed: Slot<Context> | undefined;
  }[];
}

type Step<Context> = string | Slot<Context> | Container<Context>;

export function compileTemplate<Context>(
  parts: readonly TemplatePart[],
  options: TemplateOptions<Context>,
): CompiledTemplate<Context> {
  const steps = new StepList(options);
  steps.addAll(parts);
  const compiled = steps.finish();
  return { render: (context) => renderSteps(compiled, context, "") };
}

class StepList<Context> {
  readonly #options: TemplateOptions<Context>;
  readonly #steps: Step<Context>[] = [];
  #literal = "";

  constructor(options: TemplateOptions<Context>) {
    this.#options = options;
  }

  addAll(parts: readonly TemplatePart[]): void {
    for (const part of parts) {
      if (part.kind === "literal") this.#literal += part.text;
      else if (part.kind === "slot") this.#addSlot(part.placeholder, part.mode);
      else this.#addContainer(part);
    }
  }

  finish(): readonly Step<Context>[] {
    if (this.#literal !== "") this.#steps.push(this.#literal);
    this.#literal = "";
    return this.#steps;
  }

  #addSlot(placeholder: Placeholder, mode: SlotMode): void {
    const slot = makeSlot(placeholder, mode, this.#options);
    if (typeof slot === "string") this.#literal += slot;
    else this.#push(slot);
  }

  #push(step: Step<Context>): void {
    this.finish();
    this.#steps.push(step);
  }

  #addContainer({ open, close, items }: Extract<TemplatePart, { kind: "container" }>): void {
    if (items.some((item) => this.#isOmitted(item))) {
      this.#push({ open, close, items: items.map((item) => this.#compileItem(item)) });
      return;
    }
    this.#literal += open;
    for (const [index, item] of items.entries()) {
      if (index > 0) this.#literal += ",";
      this.addAll(item.parts);
    }
    this.#literal += close;
  }

  #compileItem({ parts, whole }: ContainerItem): Container<Context>["items"][number] {
    const steps = new StepList(this.#options);
    steps.addAll(parts);
    const isOmitted = whole !== undefined && this.#options.isOmitted(whole.reference);
    const slot = isOmitted ? makeSlot(whole, "value", this.#options) : "";
    return { steps: steps.finish(), needed: typeof slot === "string" ? undefined : slot };
  }

  #isOmitted({ whole }: ContainerItem): boolean {
    return whole !== undefined && this.#options.isOmitted(whole.reference);
  }
}

/** A slot, or the text of a constant. */
function makeSlot<Context>(
  { reference, text }: Placeholder,
  mode: SlotMode,
  { bind, onMissing }: TemplateOptions<Context>,
): Slot<Context> | string {
  const printer = bind(reference);
  if (printer.kind === "constant") return printer.print(mode);
  const nothing = mode === "value" ? "null" : "";
  const ifMissing = onMissing === "fail" ? undefined : nothing;
  return { print: printer.print, mode, ifMissing, text };
}

/** Renders after `before`, so that the size is checked over the whole output. */
function renderSteps<Context>(
  steps: readonly Step<Context>[],
  context: Context,
  before: string,
): string | RenderFailure {
  let output = before;
  for (const step of steps) {
    if (typeof step === "string") output += step;
    else {
      const rendered = "print" in step ? renderSlot(step, context) : renderContainer(step, context);
      if (typeof rendered !== "string") return rendered;
      output += rendered;
    }
    // A character is at least a byte. What is too large is found here before it is built.
    if (output.length > limits.transformOutputBytesMax) return outputTooLarge;
  }
  return output;
}

/** Also the failure when the finished output has too many bytes for its characters. */
export const outputTooLarge: RenderFailure = {
  code: "output_too_large",
  message: `the output is larger than ${limits.transformOutputBytesMax} bytes`,
};

function renderSlot<Context>(slot: Slot<Context>, context: Context): string | RenderFailure {
  const printed = slot.print(context, slot.mode);
  if (printed !== undefined) return printed;
  if (slot.ifMissing !== undefined) return slot.ifMissing;
  const message = `the event has no value for ${slot.text}, and onMissing is "fail"`;
  return { code: "missing_value", message };
}

function renderContainer<Context>(
  { open, close, items }: Container<Context>,
  context: Context,
): string | RenderFailure {
  let output = open;
  let isFirst = true;
  for (const { steps, needed } of items) {
    if (needed !== undefined && needed.print(context, "value") === undefined) continue;
    const rendered = renderSteps(steps, context, isFirst ? output : `${output},`);
    if (typeof rendered !== "string") return rendered;
    output = rendered;
    isFirst = false;
  }
  return output + close;
}
