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

/** What is not given to events, so that deliveries, retention and state can always go on. */
export interface SpaceKept {
  readonly headroomBytes: number;
  readonly reserveBytes: number;
  readonly startReserveBytes: number;
}

/** The usual amounts, or a share of a file system for which they would be too much. */
export async function spaceKept(disk: Disk, directory: string): Promise<SpaceKept> {
  const totalBytes = (await disk.totalBytes?.(directory)) ?? Number.POSITIVE_INFINITY;
  const share = Math.floor(totalBytes / limits.smallDiskShare);
  return {
    headroomBytes: Math.min(limits.diskHeadroomBytesMin, share),
    reserveBytes: Math.min(limits.diskReserveBytes, share),
    startReserveBytes: Math.min(limits.diskStartReserveBytes, share),
  };
}

/** Whether there is room for more than the probe itself. */
export async function hasHeadroom(disk: Disk, directory: string): Promise<boolean> {
  try {
    return (await disk.freeBytes(directory)) >= (await spaceKept(disk, directory)).headroomBytes;
  } catch {
    // Where nobody can say how full the disk is, making the next segment is the probe.
    return true;
  }
}

/** Does the work again when it met a full disk and `relieve` gave up a reserve for it. */
export async function withRelief<T>(
  relieve: (() => Promise<boolean>) | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (codeOfFailedWrite(thrown) !== "disk_full" || (await relieve?.()) !== true) throw thrown;
    return work();
  }
}

/** Whatever the file held is durable or given up; closing it can lose nothing more. */
export async function closeQuietly(file: DiskFile | undefined): Promise<void> {
  await file?.close().catch(() => undefined);
}
