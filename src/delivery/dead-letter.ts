import { Buffer } from "node:buffer";
import type { Attempt } from "../api/api.ts";
import type { OpenSink, SinkDelivery, SinkRequest } from "../connector/sink.ts";
import type { DeadLetterState } from "../engine/engine.ts";
import type { CloudEvent } from "../event/event.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Offset, SubscriptionId } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { DeadLetterDetails } from "./contract.ts";
import type { EndReason } from "./retry-policy.ts";

export interface LetterFacts {
  readonly subscription: SubscriptionId;
  readonly letter: string;
  readonly offset: Offset;
  readonly generation: number;
  readonly time: EpochMs;
  readonly reason: EndReason;
  readonly revision: number;
  readonly event: Pick<CloudEvent, "type" | "source"> | undefined;
  readonly attempts: readonly Attempt[];
  readonly request: SinkRequest | null;
}

export function createLetter(facts: LetterFacts): DeadLetterState {
  const details: DeadLetterDetails = {
    attempts: facts.attempts,
    request: facts.request,
    revision: facts.revision,
  };
  return {
    subscription: facts.subscription,
    letter: facts.letter,
    offset: facts.offset,
    generation: facts.generation,
    time: facts.time,
    reason: facts.reason,
    eventType: facts.event?.type,
    eventSource: facts.event?.source,
    details: JSON.stringify(details),
  };
}

/** The request that failed, its body cut so that a letter stays small. */
export function previewOf(sink: OpenSink, delivery: SinkDelivery): SinkRequest {
  const request = sink.preview(delivery);
  return { ...request, body: cutBytes(request.body, limits.deadLetterRequestBytesMax) };
}

/** At most `bytesMax` bytes of UTF-8, cut between characters. */
function cutBytes(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax) return text;
  const bytes = Buffer.from(text);
  let end = bytesMax;
  // 0b10xxxxxx continues a character: step back to where the last whole one ends.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
