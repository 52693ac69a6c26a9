import { randomFillSync } from "node:crypto";
import { dirname } from "node:path";
import { systemErrorCode } from "../../kernel/errors.ts";
import type { Disk } from "./disk.ts";
import { syncData, writeWhole } from "./disk.ts";

const CHUNK_BYTES = 1024 * 1024;

/**
 * A file that holds nothing but room. It is removed when what must go on meets a full disk: commits
 * of consumer state, deletions, a start. The state worker removes it by itself, under the same name.
 */
export class DiskReserve {
  readonly #disk: Disk;
  readonly #path: string;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** Whether it is there; asked of the disk, because the state worker may have removed it. */
  async isHeld(): Promise<boolean> {
    try {
      return !(await this.#disk.stat(this.#path)).isDirectory;
    } catch (thrown) {
      if (systemErrorCode(thrown) === "ENOENT") return false;
      throw thrown;
    }
  }

  /** It gets its name only when it is whole. Fails as writing does; then it takes no room. */
  async make(bytes: number): Promise<void> {
    const temporary = `${this.#path}.tmp`;
    await this.#remove(temporary);
    const file = await this.#disk.open(temporary, "create");
    try {
      // Noise, because a file system that compresses would keep no room for zeros.
      const noise = randomFillSync(Buffer.allocUnsafe(Math.min(CHUNK_BYTES, bytes)));
      for (let position = 0; position < bytes; position += noise.length) {
        const end = Math.min(noise.length, bytes - position);
        await writeWhole(file, { buffer: noise, start: 0, end, position });
      }
      await syncData(file);
    } catch (thrown) {
      await Promise.allSettled([file.close(), this.#remove(temporary)]);
      throw thrown;
    }
    await file.close();
    await this.#disk.rename(temporary, this.#path);
    await this.#disk.syncDirectory(dirname(this.#path));
  }

  /** Whether there was one to give up. */
  async release(): Promise<boolean> {
    await this.#remove(`${this.#path}.tmp`);
    return this.#remove(this.#path);
  }

  async #remove(path: string): Promise<boolean> {
    try {
      await this.#disk.unlink(path);
      return true;
    } catch (thrown) {
      if (systemErrorCode(thrown) === "ENOENT") return false;
      throw thrown;
    }
  }
}
