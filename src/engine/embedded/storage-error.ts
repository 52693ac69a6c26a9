import { BrokerError, systemErrorCode } from "../../kernel/errors.ts";

/** Makes a BrokerError of an error of the file system; anything else passes as it is. */
export function storageError(attempt: string, thrown: unknown): unknown {
  const name = systemErrorCode(thrown);
  if (name === undefined || thrown instanceof BrokerError || !(thrown instanceof Error)) {
    return thrown;
  }
  const isFull = name === "ENOSPC" || name === "EDQUOT";
  return new BrokerError(
    isFull ? "disk_full" : "storage_unavailable",
    `${attempt}: ${thrown.message}`,
    { cause: thrown },
  );
}
