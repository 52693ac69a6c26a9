import type { SQLOutputValue } from "node:sqlite";
import type { Offset, SubscriptionId } from "../../kernel/ids.ts";
import type { RescuedRecord } from "../engine.ts";
import type { ConsumerStatements } from "./consumer-statements.ts";
import { unsettledOf } from "./consumer-statements.ts";

/**
 * Keeps one promise within one commit: a rescued record stays exactly as long as a parked row, a
 * dead letter or an unsettled offset names it. It notes which offsets lost a name and looks at
 * those only, once everything is applied. Without rescued records, the usual case, it costs one
 * indexed look-up per commit.
 */
export class RescueKeeper {
  readonly #statements: ConsumerStatements;
  readonly #log: number;
  /** The highest rescued offset, -1 for none: no offset above it needs a look. */
  readonly #rescuedMax: Offset;
  readonly #released = new Set<Offset>();

  constructor(statements: ConsumerStatements, log: number) {
    this.#statements = statements;
    this.#log = log;
    const highest = statements.selectRescuedMax.get(log)?.["offset"];
    this.#rescuedMax = typeof highest === "number" ? highest : -1;
  }

  release(offset: Offset): void {
    if (offset <= this.#rescuedMax) this.#released.add(offset);
  }

  releaseRows(rows: readonly Record<string, SQLOutputValue>[]): void {
    for (const row of rows) this.release(row["offset"] as number);
  }

  /** To be called before the row of the subscription is replaced or deleted. */
  releaseUnsettled(subscription: SubscriptionId): void {
    if (this.#rescuedMax < 0) return;
    const row = this.#statements.selectUnsettled.get(this.#log, subscription, this.#rescuedMax);
    if (row === undefined) return;
    for (const offset of unsettledOf(row)) this.release(offset);
  }

  /** Takes in what is newly rescued and drops what nobody names any more. */
  settle(rescued: readonly RescuedRecord[]): void {
    for (const { offset, time, hops, payload } of rescued) {
      this.#statements.putRescued.run(this.#log, offset, time, hops, payload);
      this.#released.add(offset);
    }
    if (this.#released.size === 0) return;
    const unsettled = this.#unsettled();
    for (const offset of this.#released) {
      if (unsettled.has(offset) || this.#isNamed(offset)) continue;
      this.#statements.deleteRescued.run(this.#log, offset);
    }
  }

  #isNamed(offset: Offset): boolean {
    return (
      this.#statements.selectIsNamed.get(this.#log, offset, this.#log, offset)?.["named"] === 1
    );
  }

  #unsettled(): Set<Offset> {
    let highest: Offset = -1;
    for (const offset of this.#released) highest = Math.max(highest, offset);
    const rows = this.#statements.selectAllUnsettled.all(this.#log, highest);
    return new Set(rows.flatMap(unsettledOf));
  }
}
