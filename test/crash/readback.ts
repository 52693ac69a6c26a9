/** What the broker has after a crash, compared with the books. */
import assert from "node:assert/strict";
import { Door } from "./doors.ts";
import type { BusBook } from "./ledger.ts";
import { testEvent } from "./ledger.ts";

interface StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly data?: unknown;
  readonly data_base64?: string;
}

interface Page {
  readonly events: readonly StoredEvent[];
  readonly offsets: readonly number[];
  readonly next: number;
}

export async function readPage(
  door: Door,
  bus: string,
  position: { readonly from: number | "latest"; readonly waitMs?: number },
): Promise<Page | undefined> {
  const { from, waitMs = 0 } = position;
  const path = `/v1/buses/${bus}/events?from=${from}&limit=1000&waitMs=${waitMs}`;
  const answer = await door.send({ path });
  if (answer === undefined) return undefined;
  assert.equal(answer.status, 200, answer.text);
  const offsets = String(answer.headers["millrace-offsets"] ?? "");
  return {
    events: JSON.parse(answer.text) as StoredEvent[],
    offsets: offsets === "" ? [] : offsets.split(",").map(Number),
    next: Number(answer.headers["millrace-next-offset"]),
  };
}

export interface Stored {
  /** Event id by offset. */
  readonly ids: ReadonlyMap<number, string>;
  readonly next: number;
}

/** Everything from an offset on; each event is compared byte by byte with what was published. */
export async function readBack(url: string, bus: string, from = 0): Promise<Stored> {
  const door = new Door(url);
  const ids = new Map<number, string>();
  let next = from;
  try {
    for (;;) {
      const page = await readPage(door, bus, { from: next });
      assert.ok(page !== undefined, "the broker is there while it is read");
      page.events.forEach((event, index) => {
        const offset = page.offsets[index] ?? -1;
        assert.ok(offset >= next && !ids.has(offset), `offset ${offset} once and in order`);
        assertUnchanged(event);
        ids.set(offset, event.id);
      });
      if (page.next === next) return { ids, next };
      next = page.next;
    }
  } finally {
    door.close();
  }
}

function assertUnchanged(event: StoredEvent): void {
  const expected = testEvent(event.id);
  assert.equal(event.type, expected.type, event.id);
  if (event.data_base64 !== undefined) {
    assert.ok(Buffer.from(event.data_base64, "base64").equals(expected.data), event.id);
  } else if (typeof event.data === "string") {
    assert.equal(event.data, expected.data.toString(), event.id);
  } else {
    // The exact bytes of JSON are compared where they are delivered in binary mode.
    assert.deepEqual(event.data, JSON.parse(expected.data.toString()), event.id);
  }
}

/** P1: what was acknowledged or seen is where it was, and nothing else has come in between. */
export function assertKept(book: BusBook, stored: Stored, from = 0): void {
  const { ids, next } = stored;
  for (const promised of [book.acknowledged, book.seen]) {
    for (const [offset, id] of promised) {
      if (offset < from) continue;
      assert.ok(offset < next, `${book.name}: ${id} was given ${offset}, the bus ends at ${next}`);
      assert.equal(ids.get(offset), id, `${book.name}: offset ${offset}`);
    }
  }
  for (const id of ids.values()) assert.ok(book.sent.has(id), `${id} was never published`);
  assert.equal(new Set(ids.values()).size, ids.size, `${book.name}: an event is there twice`);
}

/** P1 on a bus that forgets: what is gone was the oldest, and old enough. */
export function assertKeptFor(book: BusBook, stored: Stored, maxAgeMs: number): void {
  const first = Math.min(stored.next, ...stored.ids.keys());
  const young = Date.now() - maxAgeMs;
  for (const [offset, id] of book.acknowledged) {
    const sentAt = book.sent.get(id) ?? Number.POSITIVE_INFINITY;
    if (offset >= first) assert.equal(stored.ids.get(offset), id, `${book.name}: ${offset}`);
    else
      assert.ok(sentAt < young, `${book.name}: ${offset} was sent ${young - sentAt} ms too late`);
  }
}
