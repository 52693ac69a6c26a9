/**
 * Runs seeds until one fails, and says which: what `npm run test:mutants` runs in each copy. Exit
 * code 0: none has failed, 1: one has. An error that the broker throws where nobody can catch it
 * counts as failure of the seed that was running.
 */
import { seedRange } from "./seeds.ts";
import { simulate } from "./simulation.ts";

const range = seedRange(200);
let seed = range.first;

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const reason = message.split("\n")[0] ?? message;
  process.stdout.write(`${JSON.stringify({ seed, reason: reason.replace(/^seed \d+: /, "") })}\n`);
  process.exit(1);
}

process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

for (; seed < range.first + range.count; seed++) await simulate(seed);
process.stdout.write(`${JSON.stringify({ seed: null })}\n`);
