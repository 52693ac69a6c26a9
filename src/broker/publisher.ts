import type { EncodedRecord } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import { encodeEvent } from "../event/stored-form.ts";
import type { Clock } from "../kernel/clock.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { RunningBus } from "./buses.ts";
import { mayBeDelayed, planDelays } from "./delayed-publish.ts";
import { hasDeliveryTime } from "./delayed-time.ts";
import type { PublishCallback } from "./publish-outcome.ts";

export type { PublishCallback, PublishOutcome } from "./publish-outcome.ts";

const FRESH_HOPS = 0;

interface FreshRecord extends EncodedRecord {
  readonly event: CloudEvent;
}

/**
 * The way of every event onto a bus, whoever sends it: encode once, append, call back when it is
 * durable. No promise is made on the way: this is the hot path.
 */
export class Publisher {
  readonly #clock: Clock;
  #isStopping = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `delay` is how long the publisher asks the event to wait, as a duration. */
  publishOne(bus: RunningBus, event: CloudEvent, settled: PublishCallback, delay?: string): void {
    if (delay !== undefined || hasDeliveryTime(event)) {
      this.publish(bus, [event], settled, delay);
      return;
    }
    const payload = encodeEvent(event);
    const failure = this.#refusal(payload.length, undefined);
    if (failure !== undefined) {
      queueMicrotask(() => settled(failure, 0));
      return;
    }
    append(bus, [{ event, payload, hops: FRESH_HOPS, facts: undefined }], settled);
  }

  /** All or nothing; what is appended has contiguous offsets. No events: settled at once with offset 0. */
  publish(
    bus: RunningBus,
    events: readonly CloudEvent[],
    settled: PublishCallback,
    delay?: string,
  ): void {
    const records: FreshRecord[] = [];
    for (let index = 0; index < events.length; index++) {
      const event = events[index];
      if (event === undefined) continue;
      const payload = encodeEvent(event);
      const failure = this.#refusal(payload.length, index);
      if (failure !== undefined) {
        queueMicrotask(() => settled(failure, 0));
        return;
      }
      records.push({ event, payload, hops: FRESH_HOPS, facts: undefined });
    }
    if (records.length === 0) queueMicrotask(() => settled(undefined, bus.log.bounds().next));
    else if (mayBeDelayed(events, delay)) this.#publishDelayed(bus, records, settled, delay);
    else append(bus, records, settled);
  }

  /** From now on nothing is taken; what was taken is settled by the engine. */
  stop(): void {
    this.#isStopping = true;
  }

  #publishDelayed(
    bus: RunningBus,
    records: readonly FreshRecord[],
    settled: PublishCallback,
    delay: string | undefined,
  ): void {
    const events = records.map(({ event }) => event);
    const plan = planDelays(events, delay, this.#clock.now());
    if (!plan.ok) {
      queueMicrotask(() => settled(plan.failure, 0));
    } else if (plan.dueTimes.every((dueAt) => dueAt === undefined)) {
      append(bus, records, settled);
    } else {
      const { dueTimes } = plan;
      const given = records.map((record, index) => ({ ...record, dueAt: dueTimes[index] }));
      bus.delayed.add(given, settled);
    }
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

function append(bus: RunningBus, records: readonly FreshRecord[], settled: PublishCallback): void {
  const refusal = bus.unread.isOn ? bus.unread.refusal(bytesOf(records)) : undefined;
  if (refusal !== undefined) queueMicrotask(() => settled(refusal, 0));
  else if (bus.deduplicator === undefined) bus.log.append(records, settled);
  else bus.deduplicator.publish(records, settled);
}

function bytesOf(records: readonly FreshRecord[]): number {
  let bytes = 0;
  for (const { payload } of records) bytes += payload.length;
  return bytes;
}
