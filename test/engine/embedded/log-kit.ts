import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { nodeDisk } from "../../../src/engine/embedded/disk.ts";
import { LogShare } from "../../../src/engine/embedded/log-share.ts";
import type { LogOptions, SegmentedLog } from "../../../src/engine/embedded/log.ts";
import { openLog } from "../../../src/engine/embedded/log.ts";
import type {
  EncodedRecord,
  EventLog,
  Gap,
  ReadLimit,
  RecordBatch,
} from "../../../src/engine/engine.ts";
import type { BrokerError } from "../../../src/kernel/errors.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";

export const everything: ReadLimit = { records: 1_000_000, bytes: 2 ** 30 };

export async function temporaryDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-log-"));
  context.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A log on real files unless told otherwise; closed by the caller. */
export function open(directory: string, options: Partial<LogOptions> = {}): Promise<SegmentedLog> {
  return openLog({
    directory,
    bus: "test",
    disk: nodeDisk,
    clock: new FakeClock(),
    logger: silentLogger,
    fsync: "always",
    share: new LogShare(),
    ...options,
  });
}

export function record(text: string, hops = 0): EncodedRecord {
  return { payload: Buffer.from(text), hops, facts: undefined };
}

export type Appended =
  | { readonly offset: number; readonly failure: undefined }
  | { readonly offset: undefined; readonly failure: BrokerError };

export function tryAppend(log: EventLog, ...texts: readonly string[]): Promise<Appended> {
  return new Promise((resolve) => {
    log.append(
      texts.map((text) => record(text)),
      (failure, offset) =>
        resolve(failure === undefined ? { offset, failure } : { offset: undefined, failure }),
    );
  });
}

export async function append(log: EventLog, ...texts: readonly string[]): Promise<number> {
  const { offset, failure } = await tryAppend(log, ...texts);
  assert.equal(failure, undefined);
  assert(offset !== undefined);
  return offset;
}

export async function codeOf(appended: Promise<Appended>): Promise<string | undefined> {
  return (await appended).failure?.code;
}

export function textsOf(batch: RecordBatch): string[] {
  return batch.starts.map((start, index) =>
    batch.buffer.toString("utf8", start, batch.ends[index]),
  );
}

export interface Content {
  /** Offset → text. */
  readonly events: Map<number, string>;
  readonly gaps: readonly Gap[];
  readonly next: number;
}

/** Reads from `from` to the end in steps of `limit`. */
export async function contentOf(
  log: EventLog,
  from = 0,
  limit: ReadLimit = everything,
): Promise<Content> {
  const events = new Map<number, string>();
  const gaps: Gap[] = [];
  let next = from;
  while (true) {
    const batch = await log.read(next, limit);
    for (const [index, text] of textsOf(batch).entries()) {
      const offset = batch.offsets[index];
      assert(offset !== undefined && offset >= next);
      events.set(offset, text);
    }
    gaps.push(...batch.gaps);
    if (batch.next === next) return { events, gaps, next };
    next = batch.next;
  }
}

export async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Lets everything that is under way on a memory disk come to rest. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}
