import { attemptContract } from "./engine-contract-attempts.ts";
import { delayedContract } from "./engine-contract-delayed.ts";
import { leaseContract } from "./engine-contract-leases.ts";
import { letterContract } from "./engine-contract-letters.ts";
import { logContract } from "./engine-contract-log.ts";
import { resourceContract } from "./engine-contract-resources.ts";
import { randomStateContract } from "./engine-contract-random.ts";
import { stateContract } from "./engine-contract-state.ts";
import type { MakeEngineStore } from "./engine-store.ts";

/**
 * What every engine does alike (P10), as tests of node:test. Whatever the rest of the broker relies
 * on stands here; what only one engine can do (crashes, damage) is tested beside that engine.
 */
export function engineContract(name: string, make: MakeEngineStore): void {
  logContract(name, make);
  resourceContract(name, make);
  stateContract(name, make);
  letterContract(name, make);
  attemptContract(name, make);
  delayedContract(name, make);
  leaseContract(name, make);
  randomStateContract(name, make);
}
