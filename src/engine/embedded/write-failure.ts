import type { ErrorCode } from "../../kernel/error-codes.ts";
import { BrokerError, systemErrorCode } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import type { Disk, DiskFile } from "./disk.ts";

/** ENOSPC and EDQUOT mean that the disk is full, anything else that it cannot be used now. */
export function codeOfFailedWrite(failure: unknown): ErrorCode {
  const code = systemErrorCode(failure);
  return code === "ENOSPC" || code === "EDQUOT" ? "disk_full" : "storage_unavailable";
}

export function refusalFor(bus: string, code: ErrorCode, cause: unknown): BrokerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const retryAfterSeconds = Math.ceil(limits.diskRetryMs / 1000);
  return new BrokerError(code, `bus ${bus}: ${reason}`, { cause, retryAfterSeconds });
}

/** Whether there is room for more than the probe itself. */
export async function hasHeadroom(disk: Disk, directory: string): Promise<boolean> {
  try {
    return (await disk.freeBytes(directory)) >= limits.diskHeadroomBytesMin;
  } catch {
    // Where nobody can say how full the disk is, making the next segment is the probe.
    return true;
  }
}

/** Whatever the file held is durable or given up; closing it can lose nothing more. */
export async function closeQuietly(file: DiskFile | undefined): Promise<void> {
  await file?.close().catch(() => undefined);
}
