import type { Disposable } from "../../kernel/clock.ts";
import type {
  Resource,
  ResourceChange,
  ResourceKind,
  ResourcePut,
  ResourceStore,
  Revision,
} from "../engine.ts";
import { assertExpected } from "../expected-revision.ts";

export class MemoryResources implements ResourceStore {
  readonly #resources = new Map<string, Resource>();
  readonly #listeners = new Set<(change: ResourceChange) => void>();
  readonly #assertOpen: () => void;
  #revision: Revision = 0;

  /** `assertOpen` throws when the engine is closed. */
  constructor(assertOpen: () => void) {
    this.#assertOpen = assertOpen;
  }

  async get(kind: ResourceKind, id: string): Promise<Resource | undefined> {
    this.#assertOpen();
    await nextTurn();
    return this.#resources.get(keyOf(kind, id));
  }

  async list(kind: ResourceKind): Promise<readonly Resource[]> {
    this.#assertOpen();
    await nextTurn();
    return [...this.#resources.values()]
      .filter((resource) => resource.kind === kind)
      .toSorted((left, right) => (left.id < right.id ? -1 : 1));
  }

  async put(put: ResourcePut): Promise<Revision> {
    this.#assertOpen();
    await nextTurn();
    const key = keyOf(put.kind, put.id);
    assertExpected(put, this.#resources.get(key)?.revision, put.expect);
    this.#revision += 1;
    const resource: Resource = {
      kind: put.kind,
      id: put.id,
      revision: this.#revision,
      value: put.value,
    };
    this.#resources.set(key, resource);
    this.#tell({ change: "put", resource });
    return resource.revision;
  }

  async delete(kind: ResourceKind, id: string, expect?: Revision): Promise<void> {
    this.#assertOpen();
    await nextTurn();
    const key = keyOf(kind, id);
    assertExpected({ kind, id }, this.#resources.get(key)?.revision, expect);
    if (!this.#resources.delete(key)) return;
    this.#revision += 1;
    this.#tell({ change: "delete", kind, id });
  }

  watch(listener: (change: ResourceChange) => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  #tell(change: ResourceChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function keyOf(kind: ResourceKind, id: string): string {
  return `${kind}/${id}`;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
