import { DatabaseSync } from "node:sqlite";
import { BrokerError } from "../../kernel/errors.ts";
import type { DataDirectory } from "./data-directory.ts";
import { sqliteResultCode } from "./sqlite-failure.ts";

/** While it is held, no other broker opens the data directory. */
export interface Ownership {
  /** Idempotent. */
  release(): void;
}

const resultCodeBusy = 5;

/**
 * Takes the data directory for this process by an exclusive transaction on `lock.db` that stays
 * open and never writes. The lock is the kernel's: it ends with the process, however that dies, and
 * holds between containers, where process ids mean nothing. SQLite also refuses a second opening
 * within one process, under whatever path, which a bare file lock would not.
 *
 * The connection belongs to the main thread, unlike the state database: were it the worker's, the
 * directory would be free while the log is still being written when only the worker has died. It
 * costs a few system calls, once.
 */
export function takeOwnership({ root, lockFile }: DataDirectory): Ownership {
  let connection: DatabaseSync | undefined;
  try {
    connection = new DatabaseSync(lockFile, { timeout: 0 });
    connection.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    connection?.close();
    throw ownershipError(root, error);
  }
  const owned = connection;
  return {
    release() {
      if (owned.isOpen) owned.close();
    },
  };
}

function ownershipError(root: string, cause: unknown): BrokerError {
  const resultCode = sqliteResultCode(cause);
  if (resultCode === resultCodeBusy) {
    return new BrokerError(
      "data_dir_in_use",
      `the data directory ${root} is in use by another broker; stop that one or choose another ` +
        "with --data-dir",
      { cause },
    );
  }
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new BrokerError(
    "storage_unavailable",
    `the data directory ${root} cannot be locked: ${detail}; check that this user may write there`,
    { cause },
  );
}
