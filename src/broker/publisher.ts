import type { EncodedRecord } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import { encodeEvent } from "../event/stored-form.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { RunningBus } from "./buses.ts";

const FRESH_HOPS = 0;

/** What became of each event of a publish, where that is not simply "appended in this order". */
export interface PublishOutcome {
  /** Of each event; null while it is delayed. A duplicate has the offset of the original. */
  readonly offsets: readonly (Offset | null)[];
  /** The indexes of events that the bus had already, ascending. */
  readonly duplicates: readonly number[];
  /** Ids of delayed events; null for those that are not. */
  readonly delayed: readonly (string | null)[];
}

/**
 * Called once. Without failure and outcome the events have the offsets first, first + 1 …; with an
 * outcome `first` means nothing. A failure means that nothing was stored, unless its code is
 * `outcome_unknown`.
 */
export type PublishCallback = (
  failure: BrokerError | undefined,
  first: Offset,
  outcome?: PublishOutcome,
) => void;

/**
 * The way of every event onto a bus, whoever sends it: encode once, append, call back when it is
 * durable. No promise is made on the way: this is the hot path.
 */
export class Publisher {
  #isStopping = false;

  publishOne(bus: RunningBus, event: CloudEvent, settled: PublishCallback): void {
    const payload = encodeEvent(event);
    const failure = this.#refusal(payload.length, undefined);
    if (failure !== undefined) {
      queueMicrotask(() => settled(failure, 0));
      return;
    }
    bus.log.append([{ payload, hops: FRESH_HOPS, facts: undefined }], settled);
  }

  /** All or nothing; offsets are contiguous. No events: settled at once with offset 0. */
  publish(bus: RunningBus, events: readonly CloudEvent[], settled: PublishCallback): void {
    const records: EncodedRecord[] = [];
    for (let index = 0; index < events.length; index++) {
      const event = events[index];
      if (event === undefined) continue;
      const payload = encodeEvent(event);
      const failure = this.#refusal(payload.length, index);
      if (failure !== undefined) {
        queueMicrotask(() => settled(failure, 0));
        return;
      }
      records.push({ payload, hops: FRESH_HOPS, facts: undefined });
    }
    if (records.length === 0) queueMicrotask(() => settled(undefined, bus.log.bounds().next));
    else bus.log.append(records, settled);
  }

  /** From now on nothing is taken; what was taken is settled by the engine. */
  stop(): void {
    this.#isStopping = true;
  }

  #refusal(bytes: number, index: number | undefined): BrokerError | undefined {
    if (this.#isStopping) return new BrokerError("stopping", "the broker is stopping");
    if (bytes <= limits.eventBytesMax + limits.headerBytesMax) return undefined;
    const message = `the event has ${bytes} bytes; at most ${limits.eventBytesMax} (eventBytesMax)`;
    const where = index === undefined ? {} : { index };
    return new BrokerError("event_too_large", message, {
      violations: [{ path: "", code: "event_too_large", message, ...where }],
    });
  }
}
