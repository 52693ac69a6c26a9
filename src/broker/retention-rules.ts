import type { Retention } from "../api/api.ts";
import type { SegmentFacts } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { parseDuration } from "./durations.ts";

/** How old the first event of a segment may get before the next segment begins. */
export function rollAfterMs(retention: Retention): number | undefined {
  const maxAgeMs = retention.maxAge === null ? undefined : parseDuration(retention.maxAge);
  return maxAgeMs === undefined ? undefined : Math.max(limits.segmentAgeMsMin, maxAgeMs / 8);
}

/** How large a segment may get before the next one begins. */
export function rollBytes({ maxBytes }: Retention): number | undefined {
  return maxBytes === null ? undefined : Math.max(limits.segmentRollBytesMin, maxBytes / 8);
}

/** The offset below which segments must go so that the rest has at most maxBytes. */
export function expiredByBytes(segments: readonly SegmentFacts[], retention: Retention): Offset {
  if (retention.maxBytes === null) return 0;
  let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  let before = 0;
  for (const segment of segments.slice(0, -1)) {
    if (bytes <= retention.maxBytes) return before;
    bytes -= segment.bytes;
    before = segment.next;
  }
  return before;
}

/** The offset below which every segment's last event was appended before `time`. */
export function expiredByTime(segments: readonly SegmentFacts[], time: EpochMs): Offset {
  let before = 0;
  for (const segment of segments) {
    if (segment.lastTime !== undefined && segment.lastTime >= time) return before;
    before = segment.next;
  }
  return before;
}
