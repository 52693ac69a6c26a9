import { Gauge } from "prom-client";
import type { Registry } from "prom-client";
import { limits } from "../kernel/limits.ts";
import type { Buses } from "./buses.ts";

interface LetterSources {
  readonly buses: Buses;
}

interface LetterTotals {
  letters: number;
  warned: number;
}

/** How many dead letters there are, and how many subscriptions are near a limit of theirs. */
export function registerDeadLetters(
  { buses }: LetterSources,
  registers: Registry[],
  otherBuses: string,
): void {
  for (const [name, help, member] of [
    ["millrace_dead_letters", "Dead letters that wait for somebody", "letters"],
    [
      "millrace_dead_letters_near_limit",
      "Subscriptions whose dead letters are above 80 % of a limit; beyond it the oldest are discarded",
      "warned",
    ],
  ] as const) {
    const gauge: Gauge<"bus"> = new Gauge({
      name,
      help,
      labelNames: ["bus"],
      registers,
      collect() {
        gauge.reset();
        for (const [bus, totals] of totalsByBus(buses, otherBuses)) {
          gauge.set({ bus }, totals[member]);
        }
      },
    });
  }
}

function totalsByBus(buses: Buses, otherBuses: string): Map<string, LetterTotals> {
  const all = new Map<string, LetterTotals>();
  for (const { name, delivery } of buses.all()) {
    const { letters, warned } = delivery.letters.totals();
    const label = all.size < limits.metricsBusesMax ? name : otherBuses;
    const totals = all.get(label) ?? { letters: 0, warned: 0 };
    totals.letters += letters;
    totals.warned += warned;
    all.set(label, totals);
  }
  return all;
}
