import type { SteadyTime } from "./steady-time.ts";
import { createCircuit, reopen } from "./circuit.ts";
import type { Circuits, CircuitNews } from "./circuits.ts";
import type { Committer } from "./committer.ts";
import type { Consumer } from "./consumer.ts";
import type { Dispatcher } from "./dispatcher.ts";

export interface CircuitKeeperOptions {
  readonly circuits: Circuits;
  readonly time: SteadyTime;
  readonly parts: () => { readonly committer: Committer; readonly dispatcher: Dispatcher };
  /** There is nobody to send to. */
  readonly sleep: (consumer: Consumer) => void;
}

/** What the circuits of a bus's consumers, alone or shared with other buses, mean for the bus. */
export class CircuitKeeper {
  readonly #options: CircuitKeeperOptions;

  constructor(options: CircuitKeeperOptions) {
    this.#options = options;
  }

  join(consumer: Consumer): void {
    this.#options.circuits.join(consumer, (news) => this.#changed(consumer, news));
  }

  leave(consumer: Consumer): void {
    this.#options.circuits.leave(consumer);
  }

  /** Before a change of the key: it goes on alone, and an open circuit is not forgotten by it. */
  part(consumer: Consumer): void {
    this.leave(consumer);
    if (consumer.plan.circuitKey === undefined) return;
    const { reason } = consumer.circuit;
    const wasOpen = consumer.isCut;
    consumer.circuit = createCircuit();
    if (wasOpen) reopen(consumer.circuit, reason ?? "it was open before the change");
  }

  /** An attempt of this consumer changed its circuit: all that share it hear of that. */
  readonly tell = (consumer: Consumer, news: CircuitNews): void => {
    if (!this.#options.circuits.tell(consumer, news)) this.#changed(consumer, news);
  };

  #changed(consumer: Consumer, news: CircuitNews): void {
    if (consumer.isClosed) return;
    const { time, parts, sleep } = this.#options;
    const { committer, dispatcher } = parts();
    const now = time.now();
    if (news === "opened") {
      for (const letter of consumer.circuitOpened(now)) {
        committer.withdrawLetter({ subscription: consumer.plan.id, letter });
      }
    } else if (news === "closed") {
      consumer.circuitClosed(now);
    }
    if (news !== "probed") committer.changed(consumer);
    if (consumer.isDormant()) sleep(consumer);
    dispatcher.ready(consumer);
    dispatcher.drain();
  }
}
