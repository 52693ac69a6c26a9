import type { Stats } from "node:fs";
import * as fs from "node:fs";
import { mkdir, open, readdir, rename, rmdir, stat, statfs, unlink } from "node:fs/promises";
import { promisify } from "node:util";

/**
 * The disk as the embedded engine sees it: nothing but what the log needs, so that a faulty disk
 * (short writes, EIO, ENOSPC, lost syncs) can stand in for it. Rejections and callback errors are
 * system errors with their errno name in `code`.
 */
export interface Disk {
  /** `create` fails with EEXIST when the file is there already. */
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  /** The directory must be empty. */
  removeDirectory(path: string): Promise<void>;
  /** Names only. Rejects with ENOENT when there is no such directory. */
  list(directory: string): Promise<readonly string[]>;
  stat(path: string): Promise<FileFacts>;
  /** Until this returns, names made, renamed or removed in the directory may be lost. */
  syncDirectory(directory: string): Promise<void>;
  /** What an ordinary user may still write on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
  /** The size of that file system; absent where nobody knows. */
  totalBytes?(path: string): Promise<number>;
}

export type OpenMode = "read" | "write" | "create";

export interface FileFacts {
  readonly bytes: number;
  readonly isDirectory: boolean;
}

/** The bytes [start, end) of the buffer, and where in the file they go or come from. */
export interface FileSpan {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  readonly position: number;
}

/**
 * Writing and syncing call back, because they happen once per group and a promise there would cost
 * a turn of the microtask queue on the way to the acknowledgement.
 */
export interface DiskFile {
  /** May write less than asked; `written` counts even when it then stops at an error. */
  write(span: FileSpan, done: (failure: Error | undefined, written: number) => void): void;
  /** Calls back without failure only when every byte written before is on the disk. */
  dataSync(done: (failure: Error | undefined) => void): void;
  /** May read less than asked; 0 at the end of the file. */
  read(span: FileSpan): Promise<number>;
  truncate(bytes: number): Promise<void>;
  bytes(): Promise<number>;
  close(): Promise<void>;
}

const flags: Record<OpenMode, string> = { read: "r", write: "r+", create: "wx+" };

export const nodeDisk: Disk = {
  open: openNodeFile,
  rename,
  unlink,
  makeDirectory: async (path) => {
    await mkdir(path);
  },
  removeDirectory: rmdir,
  list: (directory) => readdir(directory),
  stat: async (path) => factsOf(await stat(path)),
  async syncDirectory(directory) {
    const handle = await open(directory, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async freeBytes(path) {
    const facts = await statfs(path);
    return facts.bavail * facts.bsize;
  },
  async totalBytes(path) {
    const facts = await statfs(path);
    return facts.blocks * facts.bsize;
  },
};

function factsOf(stats: Stats): FileFacts {
  return { bytes: stats.size, isDirectory: stats.isDirectory() };
}

const openDescriptor = promisify(fs.open);
const closeDescriptor = promisify(fs.close);
const truncateDescriptor = promisify(fs.ftruncate);
const statDescriptor = promisify(fs.fstat);

async function openNodeFile(path: string, mode: OpenMode): Promise<DiskFile> {
  const descriptor = await openDescriptor(path, flags[mode], 0o640);
  return {
    write({ buffer, start, end, position }, done) {
      fs.write(descriptor, buffer, start, end - start, position, (failure, written) =>
        done(failure ?? undefined, written ?? 0),
      );
    },
    dataSync(done) {
      fs.fdatasync(descriptor, (failure) => done(failure ?? undefined));
    },
    read: ({ buffer, start, end, position }) =>
      new Promise((resolve, reject) => {
        fs.read(descriptor, buffer, start, end - start, position, (failure, count) =>
          failure === null ? resolve(count) : reject(failure),
        );
      }),
    truncate: (bytes) => truncateDescriptor(descriptor, bytes),
    bytes: async () => (await statDescriptor(descriptor)).size,
    close: () => closeDescriptor(descriptor),
  };
}

/** Writes the whole span, however short the single writes are. For paths that are not hot. */
export async function writeWhole(file: DiskFile, span: FileSpan): Promise<void> {
  let { start, position } = span;
  while (start < span.end) {
    const written = await new Promise<number>((resolve, reject) => {
      file.write({ ...span, start, position }, (failure, count) =>
        failure === undefined ? resolve(count) : reject(failure),
      );
    });
    start += written;
    position += written;
  }
}

export function syncData(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.dataSync((failure) => (failure === undefined ? resolve() : reject(failure)));
  });
}

/** Reads until the span is full or the file ends; returns how many bytes came. */
export async function readWhole(file: DiskFile, span: FileSpan): Promise<number> {
  let { start, position } = span;
  while (start < span.end) {
    const count = await file.read({ ...span, start, position });
    if (count === 0) break;
    start += count;
    position += count;
  }
  return start - span.start;
}
