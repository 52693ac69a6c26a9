import { BrokerError } from "../kernel/errors.ts";
import type { ResourceKind, Revision } from "./engine.ts";

/** Compare-and-set, the same sentence from every engine. `actual` is undefined for absent. */
export function assertExpected(
  resource: { readonly kind: ResourceKind; readonly id: string },
  actual: Revision | undefined,
  expect: Revision | undefined,
): void {
  if (expect === undefined || expect === (actual ?? 0)) return;
  throw new BrokerError("precondition_failed", describe(resource, actual, expect));
}

function describe(
  { kind, id }: { readonly kind: ResourceKind; readonly id: string },
  actual: Revision | undefined,
  expect: Revision,
): string {
  if (expect === 0) return `${kind} '${id}' exists already, at revision ${actual}`;
  if (actual === undefined)
    return `${kind} '${id}' does not exist; revision ${expect} was expected`;
  return `${kind} '${id}' is at revision ${actual}; revision ${expect} was expected`;
}
