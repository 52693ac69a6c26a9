/** Milliseconds since 1970-01-01T00:00:00Z, as the wall clock says; may jump. */
export type EpochMs = number;

/** Stops a timer, a listener, a watch. Disposing twice is harmless. */
export interface Disposable {
  dispose(): void;
}

/**
 * Time as the broker sees it. Everything that waits or asks for the time takes a Clock, so that
 * tests run on a virtual one (src/testing/fake-clock.ts).
 */
export interface Clock {
  now(): EpochMs;
  /** Milliseconds on a clock that never jumps; only differences mean something. */
  monotonic(): number;
  /** Calls back once after `delayMs`. The process does not stay alive for it. */
  after(delayMs: number, callback: () => void): Disposable;
  /** Calls back every `intervalMs` until disposed. */
  every(intervalMs: number, callback: () => void): Disposable;
}

/** setTimeout takes 32-bit delays; a longer one would fire at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), TIMEOUT_MS_MAX));
    timer.unref();
    return { dispose: () => clearTimeout(timer) };
  },
  every(intervalMs, callback) {
    const timer = setInterval(callback, intervalMs);
    timer.unref();
    return { dispose: () => clearInterval(timer) };
  },
};

/**
 * Keeps the process alive until disposed, for whoever waits on a Clock and has nothing else open:
 * Node ends a process in which timers alone are left that do not keep it.
 */
export function stayAlive(): Disposable {
  const timer = setInterval(() => undefined, TIMEOUT_MS_MAX);
  return { dispose: () => clearInterval(timer) };
}

/** Resolves after `delayMs`, or rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer.dispose();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
