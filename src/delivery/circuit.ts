import { assert } from "../kernel/assert.ts";
import { backoffDelayMs } from "../kernel/backoff.ts";
import type { BackoffRange } from "../kernel/backoff.ts";
import type { EpochMs } from "../kernel/clock.ts";
import { limits } from "../kernel/limits.ts";
import type { Random } from "../kernel/random.ts";

/** closed: sending; open: nobody there, waiting for a probe's time; half-open: one probe is out. */
export type CircuitState = "closed" | "open" | "half-open";

/** What can happen to a circuit. */
export type CircuitStep =
  /** Somebody took an event. */
  | "succeed"
  /** A failure that is not yet one too many, or that was under way when it opened. */
  | "fail"
  /** One failure too many. */
  | "trip"
  /** The probe's time has come and one event goes out. */
  | "probe"
  /** That event failed. */
  | "probeFailed"
  /** It came to nothing that says anything: held, gone, given up. */
  | "probeUndecided";

/** Complete by its type: a state or step without an entry does not compile. */
const transitions: Record<CircuitState, Record<CircuitStep, CircuitState | "impossible">> = {
  closed: {
    succeed: "closed",
    fail: "closed",
    trip: "open",
    probe: "impossible",
    probeFailed: "impossible",
    probeUndecided: "impossible",
  },
  open: {
    succeed: "closed",
    fail: "open",
    trip: "impossible",
    probe: "half-open",
    probeFailed: "impossible",
    probeUndecided: "impossible",
  },
  "half-open": {
    succeed: "closed",
    fail: "half-open",
    trip: "impossible",
    probe: "impossible",
    probeFailed: "open",
    probeUndecided: "open",
  },
};

/** The state that follows; a step that cannot happen is a programmer's error. */
export function nextCircuitState(state: CircuitState, step: CircuitStep): CircuitState {
  const next = transitions[state][step];
  assert(next !== "impossible", "the step is possible in this state of the circuit");
  return next;
}

/**
 * Whether anybody is there to send to, judged by what attempts came to. One subscription has one,
 * or several share one (`circuitKey`). Pure data: the functions below are all that changes it.
 */
export interface Circuit {
  state: CircuitState;
  /** Failures since the last success. */
  failuresInRow: number;
  /** The latest of them, in a row, that found no working endpoint. */
  unreachableInRow: number;
  /** Different events among them; no more than limits.circuitEventsToOpen are told apart. */
  readonly failedEvents: Set<string>;
  /** In words, why it is not closed. */
  reason: string | null;
  /** How often the delay has grown. */
  delays: number;
  nextProbeAt: EpochMs;
  /** Numbers the probes; what earlier ones come to is no news about this one. */
  probe: number;
  /** Something was changed that may help: the next probe does not wait. */
  isUrgent: boolean;
  /** Grows with each success that ends a row of failures: dead letters of the same row share it. */
  row: number;
}

export function createCircuit(): Circuit {
  return {
    state: "closed",
    failuresInRow: 0,
    unreachableInRow: 0,
    failedEvents: new Set(),
    reason: null,
    delays: 0,
    nextProbeAt: 0,
    probe: 0,
    isUrgent: false,
    row: 0,
  };
}

/** `connection`: nobody there, whatever the event; `answer` and `transform` may be the event's own. */
export type CircuitFailureKind = "connection" | "answer" | "transform";

export interface CircuitFailure {
  readonly kind: CircuitFailureKind;
  /** Names the event among all that share the circuit. */
  readonly event: string;
  readonly error: string;
}

export interface CircuitInput {
  /** The number that `beginProbe` gave the attempt; 0 for one that was no probe. */
  readonly probe: number;
  /** Undefined for an answer that says nothing of the kind: held, gone, given up. */
  readonly result: "success" | CircuitFailure | undefined;
  readonly now: EpochMs;
  /** The delays of the subscription's retries; a probe waits no longer than probeDelayMsMax. */
  readonly retry: BackoffRange;
  readonly random: Random;
}

/** `probed`: a probe is back and the next one has its time. */
export type CircuitChange = "none" | "opened" | "closed" | "probed";

/** Takes in what an attempt came to. */
export function judge(circuit: Circuit, input: CircuitInput): CircuitChange {
  const { result } = input;
  if (result === "success") return succeeded(circuit);
  const isProbe = circuit.state === "half-open" && input.probe === circuit.probe;
  if (isProbe) return probed(circuit, input);
  if (result === undefined) return "none";
  return failed(circuit, result, input);
}

export function mayProbe(circuit: Circuit, now: EpochMs): boolean {
  return circuit.state === "open" && now >= circuit.nextProbeAt;
}

/** Answers the number under which the probe's result is to be handed in. */
export function beginProbe(circuit: Circuit): number {
  circuit.state = nextCircuitState(circuit.state, "probe");
  circuit.isUrgent = false;
  circuit.probe += 1;
  return circuit.probe;
}

/** The subscription was changed: what failed may work now. */
export function probeAtOnce(circuit: Circuit): void {
  circuit.delays = 0;
  if (circuit.state === "open") circuit.nextProbeAt = 0;
  else if (circuit.state === "half-open") circuit.isUrgent = true;
}

/** Gives up waiting for the probe that is out, for another takes its place at once. */
export function abandonProbe(circuit: Circuit): void {
  if (circuit.state === "half-open") {
    circuit.state = nextCircuitState(circuit.state, "probeUndecided");
  }
  probeAtOnce(circuit);
}

/** As after a restart: it was open, and one probe shows whether it still has to be. */
export function reopen(circuit: Circuit, reason: string): void {
  if (circuit.state !== "closed") return;
  circuit.state = nextCircuitState(circuit.state, "trip");
  circuit.reason = reason;
  circuit.delays = 0;
  circuit.nextProbeAt = 0;
}

function succeeded(circuit: Circuit): CircuitChange {
  if (circuit.failuresInRow > 0) {
    circuit.failuresInRow = 0;
    circuit.unreachableInRow = 0;
    circuit.failedEvents.clear();
    circuit.row += 1;
  }
  if (circuit.state === "closed") return "none";
  circuit.state = nextCircuitState(circuit.state, "succeed");
  circuit.reason = null;
  circuit.row += 1;
  return "closed";
}

function failed(circuit: Circuit, failure: CircuitFailure, input: CircuitInput): CircuitChange {
  if (circuit.state !== "closed") {
    circuit.state = nextCircuitState(circuit.state, "fail");
    return "none";
  }
  const { circuitFailuresToOpen, circuitEventsToOpen } = limits;
  circuit.failuresInRow += 1;
  circuit.unreachableInRow = failure.kind === "connection" ? circuit.unreachableInRow + 1 : 0;
  if (circuit.failedEvents.size < circuitEventsToOpen) circuit.failedEvents.add(failure.event);
  const isUnreachable = circuit.unreachableInRow >= circuitFailuresToOpen;
  const isRefusingAll =
    circuit.failuresInRow >= circuitFailuresToOpen &&
    circuit.failedEvents.size >= circuitEventsToOpen;
  if (!isUnreachable && !isRefusingAll) {
    circuit.state = nextCircuitState(circuit.state, "fail");
    return "none";
  }
  circuit.state = nextCircuitState(circuit.state, "trip");
  const found = isUnreachable ? "no working endpoint" : "different events";
  circuit.reason = reasonOf(failure, `${circuitFailuresToOpen} failures in a row (${found})`);
  circuit.delays = 1;
  circuit.nextProbeAt = input.now + probeDelayMs(circuit, input);
  return "opened";
}

function probed(circuit: Circuit, input: CircuitInput): CircuitChange {
  const { result, now } = input;
  if (result === undefined || result === "success") {
    circuit.state = nextCircuitState(circuit.state, "probeUndecided");
  } else {
    circuit.state = nextCircuitState(circuit.state, "probeFailed");
    circuit.reason = reasonOf(result, "the latest probe failed too");
    circuit.delays += 1;
  }
  circuit.nextProbeAt = circuit.isUrgent ? now : now + probeDelayMs(circuit, input);
  return "probed";
}

function reasonOf({ kind, error }: CircuitFailure, what: string): string {
  return kind === "transform" ? `transform: ${what}: ${error}` : `${what}: ${error}`;
}

function probeDelayMs(circuit: Circuit, { retry, random }: CircuitInput): number {
  const maxDelayMs = Math.min(retry.maxDelayMs, limits.probeDelayMsMax);
  const range = { minDelayMs: Math.min(retry.minDelayMs, maxDelayMs), maxDelayMs };
  return backoffDelayMs(range, Math.max(1, circuit.delays), random);
}
