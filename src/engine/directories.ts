import { mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { systemErrorCode } from "../kernel/errors.ts";

/**
 * Makes a directory and what is missing above it, for its owner alone; an existing one keeps its
 * mode. Durable when it resolves. Node's own recursive mkdir never returns where a parent exists and
 * yet takes no children, as /proc does; so each level is made by itself.
 */
export function makeDirectories(path: string): Promise<void> {
  return makeMissing(resolve(path));
}

async function makeMissing(directory: string): Promise<void> {
  const parent = dirname(directory);
  try {
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST" && (await stat(directory)).isDirectory()) return;
    if (systemErrorCode(error) !== "ENOENT" || (await exists(parent))) throw error;
    await makeMissing(parent);
    await mkdir(directory, { mode: 0o700 });
  }
  await syncDirectory(parent);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** A new name in a directory survives a power cut only after the directory itself was synced. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
