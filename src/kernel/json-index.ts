/** The document, as far as an index needs it; nodes are numbers in it (json.ts). */
interface Containers {
  eachMember(node: number, visit: (key: string, value: number) => void): void;
  eachElement(node: number, visit: (value: number) => void): void;
}

/** From so many members or elements on a container is wide: stepping through it is felt. */
export const WIDE_SIZE_MIN = 32;
/** Lookups in wide containers of one document after which they get an index. */
const LOOKUPS_BEFORE_INDEX = 16;

/**
 * Lookups in wide objects and arrays. The first few step through the container, as most events are
 * looked into a few times only; then each container gets an index on first use. Without it a
 * thousand filters on one event of a megabyte would step through it a thousand times, and stop the
 * broker for seconds.
 */
export class JsonIndex {
  readonly #members = new Map<number, ReadonlyMap<string, number>>();
  readonly #elements = new Map<number, readonly number[]>();
  #lookups = 0;

  /** Counts a lookup in a wide container; whether it should use the index. */
  isWorthIt(): boolean {
    this.#lookups += 1;
    return this.#lookups > LOOKUPS_BEFORE_INDEX;
  }

  member(document: Containers, node: number, key: string): number | undefined {
    let index = this.#members.get(node);
    if (index === undefined) {
      const members = new Map<string, number>();
      // Of repeated keys the last one stays.
      document.eachMember(node, (name, value) => members.set(name, value));
      this.#members.set(node, members);
      index = members;
    }
    return index.get(key);
  }

  element(document: Containers, node: number, position: number): number | undefined {
    let index = this.#elements.get(node);
    if (index === undefined) {
      const elements: number[] = [];
      document.eachElement(node, (value) => elements.push(value));
      this.#elements.set(node, elements);
      index = elements;
    }
    return index[position];
  }
}
