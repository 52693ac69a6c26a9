import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";

/**
 * How many attempts a subscription may have in flight, between 1 and its concurrency, learnt from
 * what comes back. docs/decisions/0017-adaptive-concurrency.md compares the ways to do it.
 *
 * - It grows with the successes of a window that is in use: by one with each (doubling) below
 *   `threshold`, by one with each window above.
 * - A timeout halves it; 429 and 503 with Retry-After halve the threshold and begin again with one.
 * - When nine of ten latencies tell of a queue on the far side, it shrinks by a fifth.
 * - Without a success for limits.slowStartAfterMs it begins with one again: whoever was scaled to
 *   zero is woken by one request.
 */
export interface AdaptivePace {
  limit: number;
  threshold: number;
  lastSuccessAt: EpochMs;
  /** What started before this is no news any more: one burst of bad answers is one cut. */
  cutAt: EpochMs;
  /** The latest latencies of this window. */
  samples: Float32Array | undefined;
  sampleCount: number;
  /** The lowest p90 of a window lately, and since the last look back. */
  baseMs: number;
  lowestMs: number;
  windows: number;
  /** Windows in a row that told of a queue. */
  queuesInRow: number;
  /** While one window looks with fewer requests: how many it were before; else 0. */
  lookedFrom: number;
}

export function createAdaptivePace(): AdaptivePace {
  return {
    limit: 1,
    threshold: Number.POSITIVE_INFINITY,
    lastSuccessAt: Number.NEGATIVE_INFINITY,
    cutAt: Number.NEGATIVE_INFINITY,
    samples: undefined,
    sampleCount: 0,
    baseMs: Number.POSITIVE_INFINITY,
    lowestMs: Number.POSITIVE_INFINITY,
    windows: 0,
    queuesInRow: 0,
    lookedFrom: 0,
  };
}

/** How many may be in flight now. */
export function limitOf(pace: AdaptivePace, concurrency: number, now: EpochMs): number {
  if (now - pace.lastSuccessAt >= limits.slowStartAfterMs) return 1;
  return Math.min(concurrency, Math.max(1, Math.floor(pace.limit)));
}

export interface SuccessFacts {
  readonly now: EpochMs;
  readonly latencyMs: number;
  readonly concurrency: number;
  /** This one included. */
  readonly inFlight: number;
}

export function onSucceeded(pace: AdaptivePace, facts: SuccessFacts): void {
  const { now, concurrency } = facts;
  if (now - pace.lastSuccessAt >= limits.slowStartAfterMs) pace.limit = 1;
  pace.lastSuccessAt = now;
  // A window that is not in use proves nothing about a larger one.
  if (pace.limit < concurrency && pace.lookedFrom === 0 && facts.inFlight * 2 >= pace.limit) {
    pace.limit += pace.limit < pace.threshold ? 1 : 1 / pace.limit;
    if (pace.limit > concurrency) pace.limit = concurrency;
  }
  sample(pace, facts.latencyMs);
}

/** An attempt that started at `startedAt` timed out. */
export function onTimedOut(pace: AdaptivePace, startedAt: EpochMs, now: EpochMs): void {
  if (startedAt <= pace.cutAt) return;
  cutTo(pace, pace.limit / 2);
  pace.cutAt = now;
}

/** The consumer said that it is too much: after the hold it goes on from one to half of before. */
export function onTooMuch(pace: AdaptivePace, startedAt: EpochMs, now: EpochMs): void {
  if (startedAt > pace.cutAt) cutTo(pace, pace.limit / 2);
  pace.cutAt = now;
  pace.limit = 1;
}

/** Sending begins with one request and doubles up to where it was. */
export function startSlowly(pace: AdaptivePace): void {
  pace.limit = 1;
}

function cutTo(pace: AdaptivePace, limit: number): void {
  pace.limit = Math.max(1, limit);
  pace.threshold = Math.max(2, pace.limit);
}

/** A window is half as many successes as may be in flight; of more than this many the latest count. */
const windowSamples = 64;
/** Enough for a steady p90. */
const windowSamplesMin = 32;
/** The first ones, while little is in flight, show latencies without a queue. */
const startSamples = 8;
/**
 * A p90 of this many times the lowest, and so much more, is a queue and not noise. The slack is large,
 * because a broker that is busy itself answers late too, and its own queue must not slow it down.
 */
const queueFactor = 2;
const queueSlackMs = 250;
const cutFactor = 0.8;
/** After so many windows the lowest p90 of long ago is forgotten. */
const windowsRemembered = 32;
/** So many windows with a queue in a row, in spite of a cut each, raise doubts. */
const queuesToDoubt = 8;
/** One window with a quarter of the requests shows what the latency is without a queue. */
const lookFactor = 0.25;

function sample(pace: AdaptivePace, latencyMs: number): void {
  const samples = (pace.samples ??= new Float32Array(windowSamples));
  pace.sampleCount += 1;
  // What was in flight when the limit was cut waited in the queue of before.
  if (pace.sampleCount <= 0) return;
  samples[(pace.sampleCount - 1) % windowSamples] = latencyMs;
  const wanted = pace.windows === 0 ? startSamples : Math.max(windowSamplesMin, pace.limit / 2);
  if (pace.sampleCount < wanted) return;
  const p90Ms = p90Of(samples.subarray(0, Math.min(pace.sampleCount, windowSamples)));
  pace.sampleCount = 0;
  endWindow(pace, p90Ms);
}

/** Of consumers that answer fast the highest does: no queue begins below the slack. */
function p90Of(samples: Float32Array): number {
  let highest = 0;
  for (const latencyMs of samples) if (latencyMs > highest) highest = latencyMs;
  if (highest <= queueSlackMs) return highest;
  return samples.sort()[Math.floor(samples.length * 0.9)] ?? highest;
}

function endWindow(pace: AdaptivePace, p90Ms: number): void {
  pace.windows += 1;
  if (pace.lookedFrom > 0) {
    // Whatever the look has shown is the latency now; back to where it was, in no time.
    pace.threshold = pace.lookedFrom;
    pace.lookedFrom = 0;
    remember(pace, p90Ms);
    return;
  }
  pace.baseMs = Math.min(pace.baseMs, p90Ms);
  pace.lowestMs = Math.min(pace.lowestMs, p90Ms);
  const isQueue = p90Ms > pace.baseMs * queueFactor + queueSlackMs;
  pace.queuesInRow = isQueue ? pace.queuesInRow + 1 : 0;
  // Several cuts in a row that change nothing: it is slower now, and not because of us.
  const isDoubtful = pace.queuesInRow > queuesToDoubt;
  const isOld = pace.windows >= windowsRemembered;
  if (isDoubtful || (isOld && pace.lowestMs > pace.baseMs * queueFactor)) look(pace);
  else if (isQueue) cutAndSkip(pace, pace.limit * cutFactor);
  if (isOld && pace.lookedFrom === 0) remember(pace, pace.lowestMs);
}

function look(pace: AdaptivePace): void {
  // After cuts in vain the way back leads to where the first of them was made.
  const cutsInVain = pace.queuesInRow > queuesToDoubt ? pace.queuesInRow - 1 : 0;
  const from = pace.limit / cutFactor ** cutsInVain;
  cutAndSkip(pace, pace.limit * lookFactor);
  pace.lookedFrom = from;
  pace.queuesInRow = 0;
}

function cutAndSkip(pace: AdaptivePace, limit: number): void {
  pace.sampleCount = -Math.floor(pace.limit);
  cutTo(pace, limit);
}

function remember(pace: AdaptivePace, baseMs: number): void {
  pace.windows = 1;
  pace.baseMs = baseMs;
  pace.lowestMs = Number.POSITIVE_INFINITY;
}
