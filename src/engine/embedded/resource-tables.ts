import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { assert } from "../../kernel/assert.ts";
import type { Resource, ResourceKind, ResourcePut, Revision } from "../engine.ts";
import { assertExpected } from "../expected-revision.ts";
import type { StateOperations } from "./state-protocol.ts";

type ResourceOperations = Pick<
  StateOperations,
  "getResource" | "listResources" | "putResource" | "deleteResource"
>;

export function resourceTables(database: DatabaseSync): ResourceOperations {
  const selectOne = database.prepare("SELECT * FROM resources WHERE kind = ? AND id = ?");
  const selectKind = database.prepare("SELECT * FROM resources WHERE kind = ? ORDER BY id");
  const upsert = database.prepare(
    "INSERT OR REPLACE INTO resources (kind, id, revision, value) VALUES (?, ?, ?, ?)",
  );
  const remove = database.prepare("DELETE FROM resources WHERE kind = ? AND id = ?");
  const nextRevision = database.prepare(
    "UPDATE meta SET value = value + 1 WHERE name = 'revision_last' RETURNING value",
  );

  const get = (key: { kind: ResourceKind; id: string }): Resource | undefined => {
    const row = selectOne.get(key.kind, key.id);
    return row === undefined ? undefined : resourceOf(row);
  };
  const takeRevision = (): Revision => {
    const value = nextRevision.get()?.["value"];
    assert(typeof value === "number", "the store counts its revisions");
    return value;
  };

  return {
    getResource: get,
    listResources: (kind) => selectKind.all(kind).map(resourceOf),
    putResource(put: ResourcePut) {
      assertExpected(put, get(put)?.revision, put.expect);
      const revision = takeRevision();
      upsert.run(put.kind, put.id, revision, put.value);
      return revision;
    },
    deleteResource(key) {
      assertExpected(key, get(key)?.revision, key.expect);
      if (remove.run(key.kind, key.id).changes === 0) return false;
      takeRevision();
      return true;
    },
  };
}

function resourceOf(row: Record<string, SQLOutputValue>): Resource {
  return {
    kind: row["kind"] as ResourceKind,
    id: row["id"] as string,
    revision: row["revision"] as number,
    value: row["value"] as string,
  };
}
