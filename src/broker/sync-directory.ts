import { open } from "node:fs/promises";

/** A new name in a directory survives a power cut only after the directory itself was synced. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
