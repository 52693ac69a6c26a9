import type { Ordering } from "../api/api.ts";
import type { OrderingPlan } from "../delivery/delivery.ts";
import { compileEventKey } from "../filter/compile.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { ObjectReader } from "./object-reader.ts";
import { describe } from "./object-reader.ts";

const failures: readonly string[] = [
  "dead-letter-and-continue",
  "block",
] satisfies Ordering["onFailure"][];

/** `config.ordering` of a subscription; null without one. */
export function readOrdering(config: ObjectReader): Ordering | null {
  if (config.present("ordering") === undefined) return null;
  const reader = config.object("ordering");
  const by = reader.requiredText("by", limits.orderingPathLengthMax);
  const onFailure = reader.present("onFailure") ?? "dead-letter-and-continue";
  if (typeof onFailure !== "string" || !failures.includes(onFailure)) {
    const message = `must be ${failures.join(" or ")}, not ${describe(onFailure)}`;
    reader.report("onFailure", "invalid_value", message);
  }
  if (by !== "") {
    const compiled = compileEventKey(by);
    if (!compiled.ok) reader.report("by", "invalid_path", compiled.message);
  }
  reader.refuseUnknown();
  return { by, onFailure: onFailure as Ordering["onFailure"] };
}

/** Of an ordering that has passed readOrdering; absent from what an earlier version stored. */
export function orderingPlanOf(ordering: Ordering | null | undefined): OrderingPlan | undefined {
  if (ordering === null || ordering === undefined) return undefined;
  const { by, onFailure } = ordering;
  const compiled = compileEventKey(by);
  if (compiled.ok) return { by, onFailure, read: compiled.read };
  throw new BrokerError("invalid_resource", `config.ordering.by: ${compiled.message}`);
}
