import type { Disposable } from "../../kernel/clock.ts";
import type {
  Resource,
  ResourceChange,
  ResourceKind,
  ResourcePut,
  ResourceStore,
  Revision,
} from "../engine.ts";
import type { StateDatabase } from "./state-database.ts";

/** Resources in the state database. Only this process writes there, so watching is local. */
export class EmbeddedResources implements ResourceStore {
  readonly #database: () => StateDatabase;
  readonly #listeners = new Set<(change: ResourceChange) => void>();

  constructor(database: () => StateDatabase) {
    this.#database = database;
  }

  async get(kind: ResourceKind, id: string): Promise<Resource | undefined> {
    return this.#database().request("getResource", { kind, id });
  }

  async list(kind: ResourceKind): Promise<readonly Resource[]> {
    return this.#database().request("listResources", kind);
  }

  async put(put: ResourcePut): Promise<Revision> {
    // The answers come in the order of the revisions, and so do the calls of the listeners.
    const revision = await this.#database().request("putResource", put);
    const { kind, id, value } = put;
    this.#tell({ change: "put", resource: { kind, id, revision, value } });
    return revision;
  }

  async delete(kind: ResourceKind, id: string, expect?: Revision): Promise<void> {
    const isChanged = await this.#database().request("deleteResource", { kind, id, expect });
    if (isChanged) this.#tell({ change: "delete", kind, id });
  }

  watch(listener: (change: ResourceChange) => void): Disposable {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }

  #tell(change: ResourceChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
