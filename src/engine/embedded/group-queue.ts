import { assert } from "../../kernel/assert.ts";
import type { EpochMs } from "../../kernel/clock.ts";
import { BrokerError } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import type { AppendCallback, EncodedRecord } from "../engine.ts";
import { FACTS_BYTES_MAX, GROUP_HEADER_BYTES } from "./log-format.ts";
import type { PendingGroup } from "./pending-group.ts";
import { Slabs, storedBytes } from "./pending-group.ts";

/**
 * The groups that wait for the disk, the last one still growing. The group that is being written is
 * not among them, but its bytes count until it leaves.
 */
export class GroupQueue {
  readonly #bus: string;
  readonly #slabs = new Slabs();
  readonly #groups: PendingGroup[] = [];
  #bytes = 0;
  #lastTime: EpochMs;

  constructor(bus: string, lastTime: EpochMs) {
    this.#bus = bus;
    this.#lastTime = lastTime;
  }

  /** The newest append time given out; 0 before the first one. */
  get lastTime(): EpochMs {
    return this.#lastTime;
  }

  get first(): PendingGroup | undefined {
    return this.#groups[0];
  }

  /** Takes the records in, all or none; returns why not. */
  add(
    records: readonly EncodedRecord[],
    now: EpochMs,
    settled: AppendCallback,
  ): BrokerError | undefined {
    assert(records.length > 0, "an append has at least one record");
    let bytes = 0;
    for (const record of records) {
      const { hops, facts } = record;
      assert(hops >= 0 && hops <= 255, "hops fit a byte");
      assert(facts === undefined || facts.length <= FACTS_BYTES_MAX, "facts fit 65 535 bytes");
      bytes += storedBytes(record);
    }
    const refusal = this.#refusalOf(records.length, bytes);
    if (refusal !== undefined) return refusal;
    this.#groupFor(records.length, bytes).add(records, this.tick(now), settled);
    this.#bytes += bytes;
    return undefined;
  }

  #refusalOf(count: number, bytes: number): BrokerError | undefined {
    if (count > limits.groupRecordsMax || bytes > limits.groupBytesMax - GROUP_HEADER_BYTES) {
      const what = `${count} events of ${bytes} bytes do not fit one group of the log`;
      return new BrokerError("batch_too_large", what);
    }
    if (this.#bytes + bytes <= limits.appendQueueBytesMax) return undefined;
    const what = `bus ${this.#bus}: ${this.#bytes} bytes wait for the disk already`;
    return new BrokerError("overloaded", what, { retryAfterSeconds: 1 });
  }

  #groupFor(count: number, bytes: number): PendingGroup {
    const last = this.#groups.at(-1);
    const fits =
      last !== undefined &&
      last.records + count <= limits.groupRecordsMax &&
      last.bytes + bytes <= limits.groupBytesMax;
    if (fits) return last;
    const group = this.#slabs.begin(bytes);
    this.#groups.push(group);
    return group;
  }

  /** An append time: what the clock says, but never before an earlier one. */
  tick(now: EpochMs): EpochMs {
    this.#lastTime = Math.max(this.#lastTime, Math.floor(now));
    return this.#lastTime;
  }

  /** Queues an empty group. The log is idle, so it also gives up what memory it can. */
  addMarker(): void {
    assert(this.first === undefined, "a marker closes what was written before");
    this.#slabs.release();
    this.#groups.push(this.#slabs.begin(0));
  }

  /** Removes the first group: it is about to be written. */
  take(): void {
    this.#groups.shift();
  }

  /** The group that was taken is durable, or has failed. */
  leave(group: PendingGroup): void {
    this.#bytes -= group.bytes - GROUP_HEADER_BYTES;
    assert(this.#bytes >= 0, "no more leaves the queue than came in");
  }

  /** Empties the queue; returns what was in it. */
  clear(): readonly PendingGroup[] {
    this.#bytes = 0;
    return this.#groups.splice(0);
  }
}
