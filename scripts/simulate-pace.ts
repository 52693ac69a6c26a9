import {
  createAdaptivePace,
  limitOf,
  onSucceeded,
  onTimedOut,
  onTooMuch,
} from "../src/delivery/adaptive-pace.ts";
import { TimeHeap } from "../src/delivery/time-heap.ts";
import { SeededRandom } from "../src/testing/seeded-random.ts";

/**
 * How ways of pacing compare on consumers of different kinds: an endless backlog, one minute of
 * virtual time, 64 requests at most. docs/decisions/0017-adaptive-concurrency.md quotes what this
 * prints: `node_modules/.bin/node scripts/simulate-pace.ts`.
 */
const concurrency = 64;
const timeoutMs = 2000;
const durationMs = 60_000;
const holdMs = 1000;

interface Way {
  limit(now: number): number;
  succeeded(now: number, latencyMs: number, inFlight: number): void;
  timedOut(startedAt: number, now: number): void;
  tooMuch(startedAt: number, now: number): void;
}

const ways: Readonly<Record<string, () => Way>> = {
  "fixed 64": () => ({
    limit: () => concurrency,
    succeeded: () => undefined,
    timedOut: () => undefined,
    tooMuch: () => undefined,
  }),
  "AIMD on refusals only": additive,
  "gradient of latencies": gradient,
  "AIMD and p90 (chosen)": chosen,
};

function chosen(): Way {
  const pace = createAdaptivePace();
  return {
    limit: (now) => limitOf(pace, concurrency, now),
    succeeded: (now, latencyMs, inFlight) =>
      onSucceeded(pace, { now, latencyMs, concurrency, inFlight }),
    timedOut: (startedAt, now) => onTimedOut(pace, startedAt, now),
    tooMuch: (startedAt, now) => onTooMuch(pace, startedAt, now),
  };
}

function additive(): Way {
  let limit = 1;
  let threshold = Number.POSITIVE_INFINITY;
  let cutAt = -1;
  const cut = (startedAt: number, now: number): void => {
    if (startedAt <= cutAt) return;
    cutAt = now;
    limit = Math.max(1, limit / 2);
    threshold = limit;
  };
  return {
    limit: () => Math.floor(limit),
    succeeded: () => {
      limit = Math.min(concurrency, limit + (limit < threshold ? 1 : 1 / limit));
    },
    timedOut: cut,
    tooMuch: cut,
  };
}

/** After Netflix's concurrency-limits ("gradient 2"): long mean over short latency steers. */
function gradient(): Way {
  let limit = 8;
  let longMs = 0;
  const cut = (): void => {
    limit = Math.max(1, limit * 0.9);
  };
  return {
    limit: () => Math.floor(limit),
    succeeded: (_now, latencyMs, inFlight) => {
      longMs = longMs === 0 ? latencyMs : longMs + (latencyMs - longMs) / 600;
      if (inFlight * 2 < limit) return;
      const slope = Math.max(0.5, Math.min(1, (1.5 * longMs) / latencyMs));
      const next = limit * slope + Math.sqrt(limit);
      limit = Math.min(concurrency, Math.max(1, limit * 0.8 + next * 0.2));
    },
    timedOut: cut,
    tooMuch: cut,
  };
}

/** Answers when the request is done, or "too much". `busy` counts what the consumer is working on. */
type Consumer = (now: number, busy: number) => number | "too much";

const random = new SeededRandom(4);

const consumers: Readonly<Record<string, () => Consumer>> = {
  "fast (2 ms)": () => (now) => now + 2,
  "slow (1 s)": () => (now) => now + 1000,
  "queue of 8 workers, 50 ms": () => queue(8, 50),
  "queue of 2 workers, 100 ms": () => queue(2, 100),
  "429 beyond 16 at once, 50 ms": () => (now, busy) => (busy >= 16 ? "too much" : now + 50),
  "20 ms, from 20 s to 40 s 200 ms": () => (now) =>
    now + (now >= 20_000 && now < 40_000 ? 200 : 20),
  "jitter (exponential, mean 50 ms)": () => (now) => now - 50 * Math.log(1 - random.next()),
};

function queue(workers: number, workMs: number): Consumer {
  const freeAt = Array.from({ length: workers }, () => 0);
  return (now) => {
    const first = freeAt.indexOf(Math.min(...freeAt));
    const doneAt = Math.max(now, freeAt[first] ?? 0) + workMs;
    freeAt[first] = doneAt;
    return doneAt;
  };
}

interface Done {
  readonly at: number;
  readonly startedAt: number;
  readonly result: "success" | "timeout" | "too much" | "go on";
}

interface Row {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly refused: number;
  readonly timeouts: number;
}

function simulate(way: Way, consumer: Consumer): Row {
  const events = new TimeHeap<Done>();
  const latencies: number[] = [];
  let inFlight = 0;
  let refused = 0;
  let timeouts = 0;
  let heldUntil = 0;
  const send = (now: number): void => {
    while (now >= heldUntil && inFlight < way.limit(now)) {
      const doneAt = consumer(now, inFlight);
      inFlight += 1;
      const started = { startedAt: now };
      if (doneAt === "too much") events.push({ ...started, at: now + 1, result: "too much" });
      else if (doneAt - now <= timeoutMs)
        events.push({ ...started, at: doneAt, result: "success" });
      else events.push({ ...started, at: now + timeoutMs, result: "timeout" });
    }
  };
  send(0);
  for (let done = events.pop(); done !== undefined && done.at < durationMs; done = events.pop()) {
    const { at: now, startedAt, result } = done;
    if (result === "success") {
      latencies.push(now - startedAt);
      way.succeeded(now, now - startedAt, inFlight);
    } else if (result === "timeout") {
      timeouts += 1;
      way.timedOut(startedAt, now);
    } else if (result === "too much") {
      refused += 1;
      if (now >= heldUntil) {
        heldUntil = now + holdMs;
        events.push({ at: heldUntil, startedAt: now, result: "go on" });
      }
      way.tooMuch(startedAt, now);
    }
    if (result !== "go on") inFlight -= 1;
    send(now);
  }
  latencies.sort((left, right) => left - right);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0;
  const perSecond = (latencies.length * 1000) / durationMs;
  return { perSecond, p50Ms: at(0.5), p90Ms: at(0.9), refused, timeouts };
}

for (const [what, makeConsumer] of Object.entries(consumers)) {
  const lines = Object.entries(ways).map(([name, makeWay]) => {
    const row = simulate(makeWay(), makeConsumer());
    const cells = [row.perSecond, row.p50Ms, row.p90Ms, row.refused, row.timeouts];
    return `| ${what} | ${name} | ${cells.map((cell) => Math.round(cell)).join(" | ")} |`;
  });
  process.stdout.write(`${lines.join("\n")}\n`);
}
