/** A file system with little room, for tests that fill it to the last byte. */
import { execFileSync } from "node:child_process";
import { mkdtemp, open, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/**
 * A directory that is a file system in memory of so many MiB; undefined, with the test counted as
 * skipped, where this user may not mount one.
 */
export async function smallFileSystem(
  context: TestContext,
  mebibytes: number,
): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-small-"));
  try {
    const size = `size=${mebibytes}m`;
    execFileSync("mount", ["-t", "tmpfs", "-o", size, "tmpfs", directory], { stdio: "ignore" });
  } catch {
    await rmdir(directory);
    context.skip("this user may not mount a file system");
    return undefined;
  }
  context.after(async () => {
    // Lazily, because what the test opened may be closed only after this.
    execFileSync("umount", ["-l", directory]);
    await rmdir(directory);
  });
  return directory;
}

/** Writes a file until nothing more fits; returns its bytes. */
export async function fillUp(path: string): Promise<number> {
  const handle = await open(path, "w");
  let bytes = 0;
  try {
    for (const size of [1_048_576, 4096, 1]) {
      const chunk = Buffer.alloc(size, 1);
      while (await fits(() => handle.write(chunk))) bytes += size;
    }
  } finally {
    await handle.close();
  }
  return bytes;
}

async function fits(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return false;
    throw error;
  }
}
