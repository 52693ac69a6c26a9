import type { EpochMs } from "../../kernel/clock.ts";
import type { Offset } from "../../kernel/ids.ts";
import { hasKey } from "../record-facts.ts";
import type { GroupHeader, KeyPresence } from "./log-format.ts";
import {
  GROUP_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  SEGMENT_DATA_START,
  hasGroupMagic,
  payloadStart,
  recordBytes,
  recordTime,
} from "./log-format.ts";
import type { Window } from "./log-walk.ts";
import { groupAt, isGroupWhole } from "./log-walk.ts";
import type { SparseIndex } from "./sparse-index.ts";

/** What a scan of the last segment found. */
export interface TailScan {
  /** Where in the file the kept bytes end. */
  readonly end: number;
  /** The offset after the last one kept. */
  readonly next: Offset;
  /** The offset after the highest one seen among the cut bytes; `next` when none could be read. */
  readonly cutTo: Offset;
  readonly firstTime: EpochMs | undefined;
  readonly lastTime: EpochMs | undefined;
  /** The newest time of all, markers included. */
  readonly time: EpochMs;
  /** Where the kept bytes begin of which nothing later says that they were synced. */
  readonly unprovedFrom: number;
  /** No record is among those. */
  readonly isMarked: boolean;
  /** Damage below durableTo: corruption, not a torn end. */
  readonly isDamagedInside: boolean;
  /** Whether a kept record carries a deduplication key. */
  readonly keys: KeyPresence;
}

/** A whole group, or bytes that are none. */
type Piece =
  | { readonly kind: "group"; readonly position: number; readonly header: GroupHeader }
  | {
      readonly kind: "damage";
      readonly position: number;
      readonly from: Offset;
      /** The offset after the highest that could still be made out. */
      readonly seenTo: Offset;
    };

/**
 * Decides what to keep of the last segment. Damage at or above the highest valid `durableTo` was
 * never provably acknowledged: everything from the first bad group on is cut, whatever follows, for
 * a group that is not whole is none at all. Damage below is corruption and stays in place; readers
 * find out how far it reaches.
 */
export function scanTail(
  window: Window,
  segment: { readonly first: Offset; readonly index: SparseIndex },
): TailScan {
  const { pieces, durableTo, expected } = findPieces(window, segment.first);
  const cutIndex = pieces.findIndex((piece) => piece.kind === "damage" && piece.from >= durableTo);
  const kept = cutIndex === -1 ? pieces : pieces.slice(0, cutIndex);
  const cut = pieces[cutIndex];
  let next = expected;
  if (cut?.kind === "damage") next = cut.from;
  for (const piece of kept) {
    if (piece.kind === "group") indexGroup(segment.index, piece.header, piece.position);
  }
  const last = kept.at(-1);
  const end = cut?.position ?? Math.max(window.end, SEGMENT_DATA_START);
  const unproved = kept.find((piece) => piece.kind === "group" && piece.header.first >= durableTo);
  return {
    end,
    unprovedFrom: unproved?.position ?? end,
    next,
    cutTo: cut === undefined ? next : highestSeen(pieces.slice(cutIndex), next),
    ...timesOf(window, kept),
    isMarked: last === undefined || (last.kind === "group" && last.header.records === 0),
    isDamagedInside: kept.some((piece) => piece.kind === "damage"),
    keys: keysAmong(window, kept),
  };
}

interface Pieces {
  readonly pieces: readonly Piece[];
  /** The highest durableTo of any valid group header, however damaged the group itself is. */
  readonly durableTo: Offset;
  readonly expected: Offset;
}

function findPieces(window: Window, first: Offset): Pieces {
  const pieces: Piece[] = [];
  let durableTo = first;
  let position = SEGMENT_DATA_START;
  let expected = first;
  while (position < window.end) {
    const header = groupAt(window, position);
    durableTo = Math.max(durableTo, header?.durableTo ?? 0);
    if (header?.first === expected && isGroupWhole(window, position, header)) {
      pieces.push({ kind: "group", position, header });
      position += header.bytes;
      expected += header.records;
      continue;
    }
    const seenTo = header === undefined ? expected : header.first + header.records;
    pieces.push({ kind: "damage", position, from: expected, seenTo });
    // A header that comes too early for its offset follows something that is missing altogether.
    const isEarly = header !== undefined && header.first > expected;
    const following = nextGroup(window, isEarly ? position : position + 1, expected);
    if (following === undefined) break;
    ({ position } = following);
    expected = following.first;
  }
  return { pieces, durableTo, expected };
}

function nextGroup(
  window: Window,
  from: number,
  expected: Offset,
): { readonly position: number; readonly first: Offset } | undefined {
  for (let position = from; position + GROUP_HEADER_BYTES <= window.end; position++) {
    if (!hasGroupMagic(window.buffer, position)) continue;
    const header = groupAt(window, position);
    if (header !== undefined && header.first >= expected) return { position, first: header.first };
  }
  return undefined;
}

function indexGroup(index: SparseIndex, header: GroupHeader, position: number): void {
  index.extend(header.first, position, header.time);
}

function highestSeen(pieces: readonly Piece[], next: Offset): Offset {
  let highest = next;
  for (const piece of pieces) {
    const seenTo =
      piece.kind === "damage" ? piece.seenTo : piece.header.first + piece.header.records;
    highest = Math.max(highest, seenTo);
  }
  return highest;
}

function timesOf(
  window: Window,
  kept: readonly Piece[],
): Pick<TailScan, "firstTime" | "lastTime" | "time"> {
  let firstTime: EpochMs | undefined;
  let newest: { readonly header: GroupHeader; readonly position: number } | undefined;
  let time = 0;
  for (const piece of kept) {
    if (piece.kind === "damage") continue;
    time = Math.max(time, piece.header.time);
    if (piece.header.records === 0) continue;
    firstTime ??= piece.header.time;
    newest = piece;
  }
  const lastTime = newest === undefined ? undefined : lastRecordTime(window, newest);
  return { firstTime, lastTime, time: Math.max(time, lastTime ?? 0) };
}

function lastRecordTime(
  { buffer }: Window,
  group: { readonly header: GroupHeader; readonly position: number },
): EpochMs {
  let at = group.position + GROUP_HEADER_BYTES;
  for (let record = 1; record < group.header.records; record++) at += recordBytes(buffer, at);
  return recordTime(buffer, at);
}

/** Inside damage nobody can tell, so what is damaged may hold some. */
function keysAmong({ buffer }: Window, kept: readonly Piece[]): KeyPresence {
  let presence: KeyPresence = "none";
  for (const piece of kept) {
    if (piece.kind === "damage") {
      presence = "unknown";
      continue;
    }
    let at = piece.position + GROUP_HEADER_BYTES;
    for (let record = 0; record < piece.header.records; record++) {
      const factsAt = at + RECORD_HEADER_BYTES;
      const payloadAt = payloadStart(buffer, at);
      if (payloadAt > factsAt && hasKey(buffer.subarray(factsAt, payloadAt))) return "some";
      at += recordBytes(buffer, at);
    }
  }
  return presence;
}
