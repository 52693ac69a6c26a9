import { createHash } from "node:crypto";

const LINES_KEPT = 60;

/** What happened, as a hash of everything and the last lines of it. */
export class Trace {
  readonly #hash = createHash("sha256");
  readonly #lines: string[] = [];
  #count = 0;

  add(line: string): void {
    this.#hash.update(line).update("\n");
    this.#count += 1;
    this.#lines.push(`${this.#count}. ${line}`);
    if (this.#lines.length > 2 * LINES_KEPT) this.#lines.splice(0, LINES_KEPT);
  }

  last(): string {
    return this.#lines.slice(-LINES_KEPT).join("\n");
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}
