import { BrokerError } from "../kernel/errors.ts";
import type { BusName, SubscriptionId } from "../kernel/ids.ts";

export function unknownBus(bus: BusName): BrokerError {
  return new BrokerError("bus_not_found", `no log of bus '${bus}' was opened`);
}

export function unknownLetter(subscription: SubscriptionId, letter: string): BrokerError {
  return new BrokerError(
    "dead_letter_not_found",
    `subscription '${subscription}' has no dead letter '${letter}' to list from`,
  );
}

export function fenced(bus: BusName, token: number): BrokerError {
  return new BrokerError("fenced", `lease ${token} of bus '${bus}' is not valid any more`);
}
