/**
 * Commits as fast as it can on two buses at once until it is killed. Each commit rewrites all that
 * must go together; after it is acknowledged, the program says `<bus> <number of the commit>`.
 */
import { createEmbeddedEngine } from "../../../src/engine/engines.ts";
import type { ConsumerChanges } from "../../../src/engine/engine.ts";
import { systemClock } from "../../../src/kernel/clock.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";

const [, , dataDir = ""] = process.argv;
const engine = createEmbeddedEngine({ dataDir, clock: systemClock, logger: silentLogger });
await engine.open();
await Promise.all([commitForEver("left"), commitForEver("right")]);

async function commitForEver(bus: string): Promise<void> {
  await engine.log(bus);
  const { position: last = 0 } = await engine.consumerState.load(bus);
  const lease = await engine.leases.acquire(bus, new AbortController().signal);
  for (let number = last + 1; ; number += 1) {
    await engine.consumerState.commit(bus, lease.token, changesOf(number));
    process.stdout.write(`${bus} ${number}\n`);
  }
}

/** Moves a parked event along, its rescued record with it, and a letter every other time. */
function changesOf(number: number): ConsumerChanges {
  const subscription = "s";
  return {
    position: number,
    subscriptions: [
      {
        subscription,
        generation: 1,
        start: 0,
        position: undefined,
        counters: { delivered: number, dead: number, discarded: 0, expired: 0, skipped: 0 },
        unsettled: [number, number + 1000],
        details: String(number),
      },
    ],
    parked: [
      {
        subscription,
        offset: number,
        dueAt: number,
        attempts: 1,
        firstAttemptAt: number,
        pausedMs: 0,
        lastError: '""',
      },
    ],
    unparked: [{ subscription, offset: number - 1 }],
    deadLetters: [
      {
        subscription,
        letter: `letter-${number}`,
        offset: number,
        generation: 1,
        time: number,
        reason: "rejected",
        eventType: undefined,
        eventSource: undefined,
        details: "x".repeat(2000),
      },
    ],
    deletedLetters: [{ subscription, letter: `letter-${number - 1}` }],
    deletedSubscriptions: [],
    attempts: [],
    replays: [],
    deletedReplays: [],
    rescued: [{ offset: number, time: number, hops: 0, payload: Buffer.from(String(number)) }],
  };
}
