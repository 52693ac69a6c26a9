import type { DeadLetterState } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Consumer } from "./consumer.ts";
import type { BlockedKeys } from "./contract.ts";
import { createLetter } from "./dead-letter.ts";
import type { Delivery } from "./entry.ts";
import type { EndReason } from "./retry-policy.ts";

/** Keys that wait for an operator, the first blocked first. */
export function blockedKeysOf({ lanes }: Consumer): BlockedKeys {
  const heads: BlockedKeys["heads"][number][] = [];
  if (lanes === undefined) return { count: 0, heads };
  for (const delivery of lanes.blocked) {
    if (heads.length === limits.blockedHeadsShown) break;
    const { offset, retry } = delivery;
    if (retry?.blocked === undefined) continue;
    const { key, reason, since } = retry.blocked;
    const behind = lanes.behindCount(delivery);
    heads.push({ offset, key, reason, since: new Date(since).toISOString(), behind });
  }
  return { count: lanes.blocked.size, heads };
}

/** The dead letter that an operator has made of the blocked head of a key. */
export function letterOfBlocked(
  consumer: Consumer,
  delivery: Delivery,
  made: { readonly letter: string; readonly time: EpochMs },
): DeadLetterState | undefined {
  const { retry, offset } = delivery;
  if (retry?.blocked === undefined) return undefined;
  const { reason, eventType: type, eventSource: source } = retry.blocked;
  return createLetter({
    ...made,
    subscription: consumer.plan.id,
    offset,
    generation: consumer.generation,
    // Written by the settler, from an EndReason.
    reason: reason as EndReason,
    revision: consumer.plan.revision,
    event: { type, source },
    attempts: retry.history,
    // The transformed request was not kept while the event was blocked.
    request: null,
  });
}
