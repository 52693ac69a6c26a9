import type { DeadLetterState, EventLog } from "../engine/engine.ts";
import type { EpochMs } from "../kernel/clock.ts";
import type { Consumer } from "./consumer.ts";
import type { DeadLetterDetails } from "./contract.ts";
import type { RetryFacts } from "./entry.ts";
import { appendTimeAt } from "./status.ts";

/**
 * What a redriven letter is parked with: due now, its attempts kept for the next letter but counted
 * from 1 again, and maxAge running from now on.
 */
export function letterRetry(
  letter: DeadLetterState,
  parked: {
    readonly consumer: Consumer;
    readonly log: EventLog;
    readonly now: EpochMs;
    readonly replay: string;
  },
): RetryFacts {
  const { consumer, log, now, replay } = parked;
  const { attempts } = JSON.parse(letter.details) as DeadLetterDetails;
  return {
    attempts: 0,
    firstAttemptAt: now,
    stillMsAtFirst: consumer.stillMs(now),
    appendedAt: appendTimeAt(log, letter.offset) ?? letter.time,
    dueAt: now,
    cause: "answer",
    history: attempts,
    row: -1,
    attemptsOfRow: 0,
    replay,
  };
}
