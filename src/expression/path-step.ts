import type { TextFailure } from "./position.ts";

/** Filters use the plain form of paths, transformers the dollar form (path.ts shows both). */
export type PathForm = "plain" | "dollar";

export type PathStep =
  | { readonly kind: "member"; readonly key: string }
  /** A negative index counts from the end; plain paths have none. */
  | { readonly kind: "element"; readonly index: number }
  | {
      readonly kind: "slice";
      readonly from: number | undefined;
      readonly to: number | undefined;
      readonly step: number;
    }
  /** `[*]`: every element of an array, every value of an object. */
  | { readonly kind: "every" };

/** One step and where the next one begins. */
export type StepReading =
  | { readonly ok: true; readonly step: PathStep; readonly end: number }
  | { readonly ok: false; readonly failure: TextFailure };
