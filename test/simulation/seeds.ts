import { simulate } from "./simulation.ts";
import type { RunFacts } from "./simulation.ts";

export interface SeedRange {
  readonly first: number;
  readonly count: number;
}

/**
 * Which seeds to run: MILLRACE_SEED names the first, alone unless MILLRACE_SEEDS says how many;
 * without it the seeds 1 to `count`, so that a green suite stays green until somebody changes code.
 */
export function seedRange(count: number): SeedRange {
  const first = process.env["MILLRACE_SEED"];
  const many = process.env["MILLRACE_SEEDS"];
  if (first === undefined) return { first: 1, count: many === undefined ? count : Number(many) };
  return { first: Number(first), count: many === undefined ? 1 : Number(many) };
}

export interface Sums {
  runs: number;
  deaths: number;
  events: number;
  sends: number;
  repeats: number;
  orderChecks: number;
  isolations: number;
}

export async function simulateAll({ first, count }: SeedRange): Promise<Sums> {
  const sums: Sums = {
    runs: 0,
    deaths: 0,
    events: 0,
    sends: 0,
    repeats: 0,
    orderChecks: 0,
    isolations: 0,
  };
  for (let seed = first; seed < first + count; seed++) add(sums, await simulate(seed));
  return sums;
}

function add(sums: Sums, facts: RunFacts): void {
  sums.runs += 1;
  sums.deaths += facts.deaths;
  sums.events += facts.events;
  sums.sends += facts.sends;
  sums.repeats += facts.repeats;
  sums.orderChecks += facts.orderChecks;
  sums.isolations += facts.isolations;
}
