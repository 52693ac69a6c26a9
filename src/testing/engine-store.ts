import { suite, test } from "node:test";
import type {
  ConsumerChanges,
  Engine,
  EventLog,
  ReadLimit,
  RecordBatch,
} from "../engine/engine.ts";
import type { Offset } from "../kernel/ids.ts";
import { FakeClock } from "./fake-clock.ts";

/** The place where an engine under test keeps its things; empty at first. */
export interface EngineStore {
  /** Whether what was acknowledged is there again after close and a second open. */
  readonly isDurable: boolean;
  /** A new engine on this store, not yet opened. */
  engine(): Engine;
  remove(): Promise<void>;
}

export interface EngineStoreOptions {
  readonly clock: FakeClock;
  /** About how many bytes of payload make a segment; the contract trims. */
  readonly segmentBytes: number;
}

export type MakeEngineStore = (options: EngineStoreOptions) => Promise<EngineStore>;

/** One test's engine, opened; `reopen` closes it and opens another on the same store. */
export class EngineUnderTest {
  readonly clock: FakeClock;
  readonly store: EngineStore;
  engine: Engine;

  constructor(clock: FakeClock, store: EngineStore) {
    this.clock = clock;
    this.store = store;
    this.engine = store.engine();
  }

  async reopen(): Promise<Engine> {
    await this.engine.close();
    this.engine = this.store.engine();
    await this.engine.open();
    return this.engine;
  }
}

export const contractSegmentBytes: number = 16 * 1024;

/** Tests that may run beside each other: each has a store of its own, and mostly waits for it. */
export function contractSuite(title: string, register: () => void): void {
  suite(title, { concurrency: 4 }, register);
}

/** Registers a test that gets an opened engine on an empty store. */
export function contractTest(
  make: MakeEngineStore,
  title: string,
  body: (subject: EngineUnderTest) => Promise<void>,
): void {
  test(title, async (context) => {
    const clock = new FakeClock();
    const store = await make({ clock, segmentBytes: contractSegmentBytes });
    const subject = new EngineUnderTest(clock, store);
    context.after(async () => {
      await subject.engine.close();
      await store.remove();
    });
    await subject.engine.open();
    await body(subject);
  });
}

/** append as a promise, for tests that look at one result at a time. */
export function appendTexts(log: EventLog, texts: readonly string[]): Promise<Offset> {
  const records = texts.map((text) => ({ payload: Buffer.from(text), hops: 0, facts: undefined }));
  return new Promise((resolve, reject) => {
    log.append(records, (failure, first) => {
      if (failure === undefined) resolve(first);
      else reject(failure);
    });
  });
}

/** The payloads of a batch as texts. */
export function textsOf(batch: RecordBatch): string[] {
  return batch.offsets.map((_, index) =>
    batch.buffer.toString("utf8", batch.starts[index], batch.ends[index]),
  );
}

export const readLimit: ReadLimit = { records: 1000, bytes: 1_000_000 };

const noChanges: ConsumerChanges = {
  position: undefined,
  subscriptions: [],
  parked: [],
  unparked: [],
  deadLetters: [],
  deletedLetters: [],
  deletedSubscriptions: [],
  attempts: [],
  replays: [],
  deletedReplays: [],
  rescued: [],
};

/** A commit with these parts and nothing else. */
export function changes(parts: Partial<ConsumerChanges>): ConsumerChanges {
  return { ...noChanges, ...parts };
}
