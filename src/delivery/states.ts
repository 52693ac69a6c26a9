import { assert } from "../kernel/assert.ts";

/**
 * The life of one delivery: one event for one subscription. spec/delivery.md draws it.
 * An event that no subscription has read yet is no delivery; it counts as pending by arithmetic.
 */
export type OpenState = "waiting" | "inFlight" | "parked";
export type SettledState = "delivered" | "filtered" | "dead" | "discarded" | "expired" | "skipped";
export type DeliveryState = OpenState | SettledState;
/** Given up, but a circuit that opens may take that back. */
export type EndedState = "dead" | "discarded";

/** What can happen to a delivery. */
export type Step =
  /** It is handed to the sink. */
  | "attempt"
  /** The sink took it. */
  | "succeed"
  /** A counted attempt failed, or an earlier one did and this one was not counted. */
  | "park"
  /** The first attempt was not counted: held, gone, aborted. */
  | "putBack"
  /** No attempt will follow; a dead letter keeps it. */
  | "bury"
  /** No attempt will follow and the subscription keeps no dead letters. */
  | "discard"
  /** Its record cannot be read any more. */
  | "expire"
  /** The filter changed and the event does not pass it any more. */
  | "filterOut"
  /** An operator decided so. */
  | "skip"
  /** One of its key before it has failed: it is parked behind that one. */
  | "holdBack"
  /** The circuit opened: as if the attempts since the last success had not been made. */
  | "return"
  /** The same for one with attempts before that success. */
  | "returnParked";

/** What an opening circuit can do to a letter, or to what was discarded in place of one. */
const ended: Record<Step, DeliveryState | "impossible"> = {
  attempt: "impossible",
  succeed: "impossible",
  park: "impossible",
  putBack: "impossible",
  bury: "impossible",
  discard: "impossible",
  expire: "impossible",
  filterOut: "impossible",
  skip: "impossible",
  holdBack: "impossible",
  return: "waiting",
  returnParked: "parked",
};

/** Complete by its type: a state or step without an entry does not compile. */
const transitions: Record<OpenState | EndedState, Record<Step, DeliveryState | "impossible">> = {
  waiting: {
    attempt: "inFlight",
    succeed: "impossible",
    park: "impossible",
    putBack: "impossible",
    bury: "impossible",
    discard: "impossible",
    expire: "expired",
    filterOut: "filtered",
    skip: "skipped",
    holdBack: "parked",
    return: "impossible",
    returnParked: "impossible",
  },
  inFlight: {
    attempt: "impossible",
    succeed: "delivered",
    park: "parked",
    putBack: "waiting",
    bury: "dead",
    discard: "discarded",
    expire: "impossible",
    filterOut: "impossible",
    skip: "skipped",
    holdBack: "impossible",
    return: "impossible",
    returnParked: "impossible",
  },
  parked: {
    attempt: "inFlight",
    succeed: "impossible",
    park: "impossible",
    putBack: "impossible",
    bury: "dead",
    discard: "discarded",
    expire: "expired",
    filterOut: "filtered",
    skip: "skipped",
    holdBack: "impossible",
    return: "impossible",
    returnParked: "impossible",
  },
  dead: ended,
  discarded: ended,
};

function canMove(state: DeliveryState): state is OpenState | EndedState {
  return state in transitions;
}

/** The state that follows; a step that cannot happen is a programmer's error. */
export function nextState(state: DeliveryState, step: Step): DeliveryState {
  assert(canMove(state), "a settled delivery takes no more steps");
  const next = transitions[state][step];
  assert(next !== "impossible", "the step is possible in this state");
  return next;
}
