import type { SeededRandom } from "../../src/testing/seeded-random.ts";
import type { Act } from "./act.ts";
import { consuming } from "./actors/consuming.ts";
import { dying } from "./actors/dying.ts";
import { failing } from "./actors/failing.ts";
import { isolating } from "./actors/isolating.ts";
import { keeping } from "./actors/keeping.ts";
import { publishing } from "./actors/publishing.ts";
import { waiting } from "./actors/waiting.ts";

/** A new actor is a file in actors/ and a line here. */
const acts: readonly Act[] = [
  ...publishing,
  ...waiting,
  ...consuming,
  ...isolating,
  ...keeping,
  ...failing,
  ...dying,
];

const total = acts.reduce((sum, { weight }) => sum + weight, 0);

export function nextAct(random: SeededRandom): Act {
  let left = random.next() * total;
  for (const act of acts) {
    left -= act.weight;
    if (left < 0) return act;
  }
  throw new Error("the weights add up");
}
