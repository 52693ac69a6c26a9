import { assert } from "../kernel/assert.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Circuit, CircuitChange } from "./circuit.ts";
import { createCircuit, reopen } from "./circuit.ts";
import { SteadyTime } from "./steady-time.ts";

/** What a consumer shows of itself here. */
export interface CircuitMember {
  readonly plan: { readonly circuitKey: string | undefined };
  circuit: Circuit;
}

export type CircuitNews = Exclude<CircuitChange, "none">;
/** Called in the turn of the change. */
export type CircuitListener = (news: CircuitNews) => void;

interface Shared {
  readonly circuit: Circuit;
  readonly members: Map<CircuitMember, CircuitListener>;
}

/**
 * Which consumer has which circuit. The broker owns one for all its buses, because a `circuitKey`
 * joins subscriptions of different buses; they tell time by one clock for the same reason.
 */
export class Circuits {
  readonly time: SteadyTime;
  readonly #shared: Map<string, Shared> = new Map();

  constructor(clock: Clock) {
    this.time = new SteadyTime(clock);
  }

  /** Gives the member the circuit of its plan's key; without a key it keeps the one it has. */
  join(member: CircuitMember, listener: CircuitListener): void {
    const key = member.plan.circuitKey;
    if (key === undefined) return;
    const shared = this.#shared.get(key) ?? { circuit: createCircuit(), members: new Map() };
    this.#shared.set(key, shared);
    const own = member.circuit;
    shared.members.set(member, listener);
    if (own === shared.circuit) return;
    const wasOpen = own.state !== "closed";
    const isOpen = shared.circuit.state !== "closed";
    member.circuit = shared.circuit;
    if (isOpen && !wasOpen) listener("opened");
    if (wasOpen && !isOpen) {
      // What a restart remembers of one member holds for all: the first probe will tell.
      reopen(shared.circuit, own.reason ?? "it was open before the start");
      this.#tell(shared, "opened");
    }
  }

  /** Takes it off the circuit it shares, for good, or to have another. */
  leave(member: CircuitMember): void {
    const shared = this.#sharedBy(member);
    if (shared === undefined) return;
    shared.members.delete(member);
    for (const [key, one] of this.#shared) {
      if (one === shared && shared.members.size === 0) this.#shared.delete(key);
    }
  }

  /** Tells all that share the circuit; answers false where nobody does. */
  tell(member: CircuitMember, news: CircuitNews): boolean {
    const shared = this.#sharedBy(member);
    if (shared === undefined) return false;
    this.#tell(shared, news);
    return true;
  }

  #tell(shared: Shared, news: CircuitNews): void {
    assert(shared.members.size > 0, "a shared circuit has members");
    for (const listener of shared.members.values()) listener(news);
  }

  #sharedBy(member: CircuitMember): Shared | undefined {
    const key = member.plan.circuitKey;
    const shared = key === undefined ? undefined : this.#shared.get(key);
    return shared?.members.has(member) === true ? shared : undefined;
  }
}
