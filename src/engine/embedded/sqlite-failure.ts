import type { ErrorCode } from "../../kernel/error-codes.ts";
import type { StateFailure } from "./state-protocol.ts";

/** Primary result codes of SQLite and what they mean for the caller. */
const codes: Readonly<Record<number, ErrorCode>> = {
  5: "data_dir_in_use", // BUSY
  8: "storage_unavailable", // READONLY
  10: "storage_unavailable", // IOERR
  11: "data_corrupt", // CORRUPT
  13: "disk_full", // FULL
  14: "storage_unavailable", // CANTOPEN
  26: "data_corrupt", // NOTADB
};

/** The primary result code of an SQLite error, or undefined for any other error. */
export function sqliteResultCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !("errcode" in thrown)) return undefined;
  return typeof thrown.errcode === "number" ? thrown.errcode & 0xff : undefined;
}

/** Rethrows what is no error of SQLite: a programmer's error must end the thread. */
export function sqliteFailure(thrown: unknown): StateFailure {
  const resultCode = sqliteResultCode(thrown);
  if (resultCode === undefined || !(thrown instanceof Error)) throw thrown;
  const code = codes[resultCode] ?? "internal";
  return { code, message: `state database: ${thrown.message}` };
}
