import { assert } from "./assert.ts";
import type { Random } from "./random.ts";

export interface BackoffRange {
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

/**
 * The wait before retry `retry` (1, 2 …): uniform in [min, min(max, min · 2^retry)] (DESIGN.md §4).
 * The full spread keeps a thousand failed deliveries from coming back at one instant.
 */
export function backoffDelayMs(range: BackoffRange, retry: number, random: Random): number {
  assert(retry >= 1, "retries are counted from 1");
  const { minDelayMs, maxDelayMs } = range;
  const ceiling = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(retry, 52));
  const low = Math.min(minDelayMs, ceiling);
  return low + random.next() * (ceiling - low);
}
