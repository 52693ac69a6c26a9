/** Bytes [start, end) of a file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

interface Suspect extends ByteRange {
  /** On the monotonic clock: when the disk first failed to read it. */
  readonly since: number;
}

/**
 * What the disk cannot read of one segment. A range begins as a suspect; it counts as unreadable,
 * and is not touched again until the log is opened anew, only when it has failed for long enough: a
 * cable, a controller or a network that comes back must not cost an event.
 */
export class Unreadable {
  readonly #suspects = new Map<number, Suspect>();
  #ranges: readonly ByteRange[] = [];

  /** The unreadable ranges within [start, end), in their order. */
  within({ start, end }: ByteRange): readonly ByteRange[] {
    if (this.#ranges.length === 0) return this.#ranges;
    return this.#ranges.filter((range) => range.start < end && range.end > start);
  }

  /** All of [start, end) was read: an old failure there does not count against a new one. */
  acquit({ start, end }: ByteRange): void {
    if (this.#suspects.size === 0) return;
    for (const suspect of this.#suspects.values()) {
      if (suspect.start >= start && suspect.start < end) this.#suspects.delete(suspect.start);
    }
  }

  /**
   * Takes in what failed when [start, end) was tried piece by piece. True when all of it has failed
   * for `lastingMs` by now.
   */
  judge(
    tried: ByteRange,
    failed: readonly ByteRange[],
    { now, lastingMs }: { readonly now: number; readonly lastingMs: number },
  ): boolean {
    const known = new Map(this.#suspects);
    this.acquit(tried);
    let isLasting = true;
    for (const range of failed) {
      const since = known.get(range.start)?.since ?? now;
      if (now - since >= lastingMs) {
        this.#ranges = [...this.#ranges, range].toSorted((a, b) => a.start - b.start);
      } else {
        this.#suspects.set(range.start, { ...range, since });
        isLasting = false;
      }
    }
    return isLasting;
  }
}
