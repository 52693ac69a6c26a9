import type { Outcome } from "../../src/connector/sink.ts";
import type { SeededRandom } from "../../src/testing/seeded-random.ts";

export const timeoutMs = 2000;

/** How a far end behaves: what the connector makes of its answers, and after how long. */
export interface Mood {
  readonly name: string;
  readonly answer: (random: SeededRandom, nowMs: number) => Outcome;
  readonly latencyMs: (random: SeededRandom) => number;
  /** Failures come after the work was done, now and then: the answer is what went wrong. */
  readonly mayTakeAndFail?: true;
}

type Broken = "connect" | "timeout" | "protocol" | "response";

const failure = { latencyMs: 1, response: undefined } as const;
const delivered: Outcome = { outcome: "delivered", status: 200, latencyMs: 1 };
const aborted: Outcome = { outcome: "aborted", latencyMs: 1 };

function answered(status: number, retryAfterMs?: number): Outcome {
  const error = `answered ${status}`;
  const facts = { ...failure, failure: "status" as const, status, error };
  if (status === 429) return { ...facts, outcome: "hold", retryAfterMs: 300 };
  if (status === 410) return { ...facts, outcome: "gone" };
  if (status === 400) return { ...facts, outcome: "rejected" };
  return { ...facts, outcome: "retry", retryAfterMs };
}

function broken(kind: Broken, status?: number): Outcome {
  const facts = { ...failure, failure: kind, status, error: kind };
  return { ...facts, outcome: "retry", retryAfterMs: undefined };
}

function some(share: number, outcome: Outcome): Mood["answer"] {
  return (random) => (random.chance(share) ? outcome : delivered);
}

function upTo(maxMs: number): Mood["latencyMs"] {
  return (random) => random.integer(0, maxMs);
}

const atOnce = (): number => 0;

/** Up for as long as down, all along. */
function flapping(phaseMs: number): Mood["answer"] {
  return (_random, nowMs) =>
    Math.floor(nowMs / phaseMs) % 2 === 0 ? delivered : broken("connect");
}

export const goodMood: Mood = { name: "good", answer: () => delivered, latencyMs: atOnce };

const good: readonly Mood[] = [
  goodMood,
  goodMood,
  { name: "slow", answer: () => delivered, latencyMs: upTo(200) },
  { name: "slow to the last", answer: () => delivered, latencyMs: () => timeoutMs - 1 },
];

/** Those that cannot be reached, or not at all times. */
const absent: readonly Mood[] = [
  { name: "hanging", answer: () => broken("timeout"), latencyMs: () => timeoutMs },
  { name: "down", answer: () => broken("connect"), latencyMs: atOnce },
  { name: "unreachable at times", answer: some(0.4, broken("connect")), latencyMs: upTo(5) },
  { name: "flapping", answer: flapping(1500), latencyMs: upTo(5) },
  { name: "flapping slowly", answer: flapping(9000), latencyMs: upTo(50) },
];

/** Those that do the work, or not, and spoil the answer; the connector has cut them off. */
const spoiling: readonly Mood[] = (
  [
    ["answering late", some(0.3, broken("timeout")), () => timeoutMs],
    ["resetting", some(0.4, broken("connect")), upTo(100)],
    ["answering garbage", some(0.5, broken("protocol")), upTo(20)],
    ["lying about lengths", some(0.5, broken("protocol", 200)), upTo(300)],
    // After a 2xx the event counts as taken, however long the body would have gone on.
    ["answering without end", some(0.3, broken("response", 200)), upTo(1000)],
    ["nothing but garbage", () => broken("protocol"), atOnce],
  ] as const
).map(([name, answer, latencyMs]) => ({ name, answer, latencyMs, mayTakeAndFail: true }));

const answering: readonly Mood[] = [
  { name: "flaky", answer: some(0.4, answered(500)), latencyMs: upTo(20) },
  { name: "asking for time", answer: some(0.4, answered(503, 1200)), latencyMs: upTo(20) },
  { name: "busy", answer: some(0.2, answered(429)), latencyMs: upTo(10) },
  { name: "picky", answer: some(0.2, answered(400)), latencyMs: upTo(10) },
  { name: "refusing all", answer: () => answered(400), latencyMs: upTo(10) },
  { name: "closing", answer: some(0.2, aborted), latencyMs: upTo(10) },
  { name: "leaving", answer: some(0.05, answered(410)), latencyMs: upTo(10) },
];

export const moods: readonly Mood[] = [...good, ...absent, ...spoiling, ...answering];

/** What one request of several events comes to: one outcome for all, or one for each. */
export function answersOf(
  mood: Mood,
  count: number,
  around: { readonly random: SeededRandom; readonly nowMs: number },
): readonly Outcome[] {
  const { random, nowMs } = around;
  const first = mood.answer(random, nowMs);
  if (!isOfOneEvent(first)) return Array.from({ length: count }, () => first);
  // Now and then the last ones did not fit in.
  const fitting = count > 1 && random.chance(0.1) ? random.integer(1, count) : count;
  return Array.from({ length: count }, (_, index) => {
    if (index >= fitting) return aborted;
    const own = index === 0 ? first : mood.answer(random, nowMs);
    return isOfOneEvent(own) ? own : delivered;
  });
}

function isOfOneEvent(outcome: Outcome): boolean {
  if (outcome.outcome === "delivered" || outcome.outcome === "rejected") return true;
  if (outcome.outcome !== "retry") return false;
  return outcome.failure === "status" || outcome.failure === "response";
}
