import type { EpochMs } from "../../kernel/clock.ts";
import type { Offset } from "../../kernel/ids.ts";
import { limits } from "../../kernel/limits.ts";
import { isKeyPageIntact } from "./key-page.ts";
import type { GroupHeader } from "./log-format.ts";
import {
  GROUP_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  decodeGroupHeader,
  hasGroupMagic,
  isRecordIntact,
  recordBytes,
  recordOffset,
  recordTime,
} from "./log-format.ts";

/** A piece of a segment in memory. */
export interface Window {
  readonly buffer: Buffer;
  /** Bytes of the buffer that hold something. */
  readonly end: number;
  /** Where in the file the buffer begins. */
  readonly position: number;
  /** False when the segment goes on behind the window. */
  readonly isLast: boolean;
  readonly identity: number;
}

/**
 * What stands at a place. A frame carries strong checks of its own (seeded checksum and the offset
 * that must come next), so group headers and records need no outside knowledge to be told apart,
 * and a reader may start at any of them.
 */
export type Frame = "record" | "group" | "incomplete" | "damaged";

export function frameAt(window: Window, at: number, expected: Offset): Frame {
  const left = window.end - at;
  const short: Frame = window.isLast ? "damaged" : "incomplete";
  if (left < RECORD_HEADER_BYTES) return short;
  if (hasGroupMagic(window.buffer, at)) {
    if (left < GROUP_HEADER_BYTES && !window.isLast) return "incomplete";
    const group = groupAt(window, at);
    if (group?.first === expected) {
      if (group.kind === "records") return "group";
      if (group.bytes > left) return short;
      return isKeyPageIntact({ ...window, at }, group) ? "group" : "damaged";
    }
  }
  if (recordOffset(window.buffer, at) !== expected) return "damaged";
  const bytes = recordBytes(window.buffer, at);
  if (bytes < RECORD_HEADER_BYTES || bytes > limits.groupBytesMax) return "damaged";
  if (bytes > left) return short;
  return isIntact(window, at) ? "record" : "damaged";
}

export function groupAt(window: Window, at: number): GroupHeader | undefined {
  if (window.end - at < GROUP_HEADER_BYTES) return undefined;
  return decodeGroupHeader({ buffer: window.buffer, at, identity: window.identity });
}

function isIntact({ buffer, identity }: Window, at: number): boolean {
  return isRecordIntact({ buffer, at, identity });
}

/** Whether the group at `at` is all there: each record intact, count and bytes as the header says. */
export function isGroupWhole(window: Window, at: number, group: GroupHeader): boolean {
  const end = at + group.bytes;
  if (end > window.end) return false;
  if (group.kind === "keys") return isKeyPageIntact({ ...window, at }, group);
  const body: Window = { ...window, end, isLast: true };
  let position = at + GROUP_HEADER_BYTES;
  for (let index = 0; index < group.records; index++) {
    if (frameAt(body, position, group.first + index) !== "record") return false;
    position += recordBytes(window.buffer, position);
  }
  return position === end;
}

export interface Resumption {
  /** In the window's buffer. */
  readonly at: number;
  readonly offset: Offset;
  readonly time: EpochMs;
}

/**
 * The next place behind damage where something whole begins: the first group header or record whose
 * checks hold and whose offset is neither below `expected` nor above `highest`. The window must
 * reach to the end of the segment.
 */
export function resume(
  window: Window,
  from: number,
  bounds: { readonly expected: Offset; readonly highest: Offset },
): Resumption | undefined {
  const { buffer, end } = window;
  for (let at = from; at + RECORD_HEADER_BYTES <= end; at++) {
    if (hasGroupMagic(buffer, at)) {
      const group = groupAt(window, at);
      if (group !== undefined && group.first >= bounds.expected && group.first <= bounds.highest) {
        return { at, offset: group.first, time: group.time };
      }
    }
    const offset = recordOffset(buffer, at);
    if (offset < bounds.expected || offset >= bounds.highest) continue;
    const bytes = recordBytes(buffer, at);
    if (bytes < RECORD_HEADER_BYTES || bytes > end - at) continue;
    if (isIntact(window, at)) return { at, offset, time: recordTime(buffer, at) };
  }
  return undefined;
}
