import { systemClock } from "../kernel/clock.ts";
import { silentLogger } from "../kernel/logger.ts";
import { Playground } from "./playground.ts";
import { createSinkMaker } from "./sink-maker.ts";
import { PlanMaker } from "./subscription-plan.ts";

/** A playground without a broker: for dry runs on the command line and in a user's own tests. */
export function createPlayground(): Playground {
  const sinks = createSinkMaker({
    // Nothing is sent; where a sink may point is judged by the broker that gets the subscription.
    allowPrivateSinks: true,
    allowSinks: [],
    clock: systemClock,
    logger: silentLogger,
  });
  return new Playground(new PlanMaker(sinks));
}
