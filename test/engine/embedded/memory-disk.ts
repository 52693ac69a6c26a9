import { basename, dirname } from "node:path";
import type { Disk, DiskFile, FileSpan, OpenMode } from "../../../src/engine/embedded/disk.ts";
import type { Random } from "../../../src/kernel/random.ts";

export type DiskOperation =
  | "open"
  | "write"
  | "dataSync"
  | "read"
  | "truncate"
  | "rename"
  | "unlink"
  | "syncDirectory";

export interface Fault {
  readonly operation: DiskOperation;
  readonly code: string;
  /** How many of these operations succeed first. */
  readonly after?: number;
  /** How many times it fails; for ever by default. */
  readonly times?: number;
  /** Of a failing write: how many bytes it takes first. */
  readonly writtenBytes?: number;
}

interface ArmedFault extends Fault {
  seen: number;
}

interface Write {
  readonly position: number;
  readonly bytes: Buffer;
}

/** What programs did to a file and no sync has made durable yet. */
type Change = { readonly write: Write } | { readonly truncateTo: number };

/** A file's content: as programs see it, as it is on the disk, and what lies between. */
interface Inode {
  live: Buffer;
  durable: Buffer;
  unsynced: Change[];
}

/**
 * A disk in memory that loses what was not synced when it crashes, and fails on demand. A failed
 * sync behaves as on Linux: the next one says yes although the bytes are not on the disk.
 */
export class MemoryDisk implements Disk {
  readonly #directories = new Set<string>(["/"]);
  readonly #names = new Map<string, Inode>();
  readonly #durableNames = new Map<string, Inode>();
  #faults: ArmedFault[] = [];
  /** Makes every write stop after so many bytes. */
  writeBytesMax: number = Number.POSITIVE_INFINITY;
  free: number = 2 ** 40;
  readonly counts: Map<DiskOperation, number> = new Map();
  readsAtOnceMax = 0;
  #readsAtOnce = 0;

  inject(fault: Fault): void {
    this.#faults.push({ ...fault, seen: 0 });
  }

  heal(): void {
    this.#faults = [];
  }

  /** Power cut: of what was not synced, each 512-byte piece arrives or not, as chance has it. */
  crash(random?: Random): void {
    this.#faults = [];
    const kept = random === undefined ? undefined : new Map(this.#names);
    for (const inode of new Set([...this.#names.values(), ...this.#durableNames.values()])) {
      if (random !== undefined) tear(inode, random);
      inode.live = Buffer.from(inode.durable);
      inode.unsynced = [];
    }
    this.#names.clear();
    for (const [path, inode] of this.#durableNames) this.#names.set(path, inode);
    // An unsynced name may have reached the disk all the same.
    for (const [path, inode] of kept ?? []) {
      if ((random?.next() ?? 1) < 0.5) this.#names.set(path, inode);
    }
    this.#durableNames.clear();
    for (const [path, inode] of this.#names) this.#durableNames.set(path, inode);
  }

  /**
   * The same disk at this moment, for the next process; the old process may go on with the old one
   * and is seen by nobody. Without a crash() after it this is what kill -9 leaves.
   */
  fork(): MemoryDisk {
    const fork = new MemoryDisk();
    const copies = new Map<Inode, Inode>();
    const copyOf = (inode: Inode): Inode => {
      const known = copies.get(inode);
      const copy = known ?? { ...inode, unsynced: [...inode.unsynced] };
      copies.set(inode, copy);
      return copy;
    };
    for (const directory of this.#directories) fork.#directories.add(directory);
    for (const [path, inode] of this.#names) fork.#names.set(path, copyOf(inode));
    for (const [path, inode] of this.#durableNames) fork.#durableNames.set(path, copyOf(inode));
    fork.free = this.free;
    return fork;
  }

  bytesOf(path: string): Buffer {
    return this.#inode(path).live;
  }

  /** As if the medium had changed: live and on the disk. */
  overwrite(path: string, bytes: Buffer): void {
    const inode = this.#inode(path);
    inode.live = Buffer.from(bytes);
    inode.durable = Buffer.from(bytes);
    inode.unsynced = [];
  }

  namesIn(directory: string): readonly string[] {
    return [...this.#names.keys()]
      .filter((path) => dirname(path) === directory)
      .map((path) => basename(path))
      .toSorted();
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    await this.#step("open");
    if (mode === "create") {
      if (this.#names.has(path)) throw systemError("EEXIST", path);
      const empty = Buffer.alloc(0);
      this.#names.set(path, { live: empty, durable: empty, unsynced: [] });
    }
    return this.#fileOf(this.#inode(path));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step("rename");
    if (this.#directories.has(from)) return this.#renameDirectory(from, to);
    this.#names.set(to, this.#inode(from));
    this.#names.delete(from);
  }

  #renameDirectory(from: string, to: string): void {
    this.#directories.delete(from);
    this.#directories.add(to);
    for (const [path, inode] of this.#names) {
      if (dirname(path) !== from) continue;
      this.#names.delete(path);
      this.#names.set(`${to}/${basename(path)}`, inode);
    }
  }

  async unlink(path: string): Promise<void> {
    await this.#step("unlink");
    this.#inode(path);
    this.#names.delete(path);
  }

  async makeDirectory(path: string): Promise<void> {
    if (this.#directories.has(path)) throw systemError("EEXIST", path);
    this.#directories.add(path);
  }

  async removeDirectory(path: string): Promise<void> {
    this.#directories.delete(path);
  }

  async list(directory: string): Promise<readonly string[]> {
    if (!this.#directories.has(directory)) throw systemError("ENOENT", directory);
    return this.namesIn(directory);
  }

  async stat(path: string): Promise<{ bytes: number; isDirectory: boolean }> {
    if (this.#directories.has(path)) return { bytes: 0, isDirectory: true };
    return { bytes: this.#inode(path).live.length, isDirectory: false };
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#step("syncDirectory");
    for (const path of this.#durableNames.keys()) {
      if (dirname(path) === directory) this.#durableNames.delete(path);
    }
    for (const [path, inode] of this.#names) {
      if (dirname(path) === directory) this.#durableNames.set(path, inode);
    }
  }

  async freeBytes(): Promise<number> {
    return this.free;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError("ENOENT", path);
    return inode;
  }

  /** Every operation takes a turn of the event loop, as on a real disk. */
  async #step(operation: DiskOperation): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const fault = this.#due(operation);
    if (fault !== undefined) throw systemError(fault.code, operation);
  }

  #due(operation: DiskOperation): Fault | undefined {
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1);
    for (const fault of this.#faults) {
      if (fault.operation !== operation) continue;
      fault.seen += 1;
      const failed = fault.seen - (fault.after ?? 0);
      if (failed >= 1 && failed <= (fault.times ?? Number.POSITIVE_INFINITY)) return fault;
    }
    return undefined;
  }

  #fileOf(inode: Inode): DiskFile {
    return {
      write: (span, done) => setImmediate(() => this.#write(inode, span, done)),
      dataSync: (done) =>
        setImmediate(() => {
          const fault = this.#due("dataSync");
          // The kernel marks the pages clean: they will never be written, and nobody says so.
          if (fault === undefined) inode.durable = inode.unsynced.reduce(changed, inode.durable);
          inode.unsynced = [];
          done(fault === undefined ? undefined : systemError(fault.code, "dataSync"));
        }),
      read: async (span) => {
        this.#readsAtOnce += 1;
        this.readsAtOnceMax = Math.max(this.readsAtOnceMax, this.#readsAtOnce);
        try {
          await this.#step("read");
          const end = span.position + span.end - span.start;
          return inode.live.copy(span.buffer, span.start, span.position, end);
        } finally {
          this.#readsAtOnce -= 1;
        }
      },
      truncate: async (bytes) => {
        await this.#step("truncate");
        inode.live = resized(inode.live, bytes);
        inode.unsynced.push({ truncateTo: bytes });
      },
      bytes: async () => inode.live.length,
      close: async () => undefined,
    };
  }

  #write(
    inode: Inode,
    span: FileSpan,
    done: (failure: Error | undefined, written: number) => void,
  ): void {
    const fault = this.#due("write");
    const wanted = span.end - span.start;
    const taken = Math.min(wanted, fault === undefined ? this.writeBytesMax : wanted);
    const count = fault === undefined ? taken : Math.min(taken - 1, fault.writtenBytes ?? 0);
    const bytes = Buffer.from(span.buffer.subarray(span.start, span.start + count));
    const write = { position: span.position, bytes };
    inode.live = written(inode.live, write);
    inode.unsynced.push({ write });
    if (fault === undefined) done(undefined, count);
    else done(systemError(fault.code, "write"), 0);
  }
}

function tear(inode: Inode, random: Random): void {
  for (const change of inode.unsynced) {
    if ("truncateTo" in change) {
      if (random.next() < 0.5) inode.durable = changed(inode.durable, change);
      continue;
    }
    const { position, bytes } = change.write;
    for (let start = 0; start < bytes.length; start += 512) {
      if (random.next() < 0.5) continue;
      const piece = { position: position + start, bytes: bytes.subarray(start, start + 512) };
      inode.durable = written(inode.durable, piece);
    }
  }
}

function changed(content: Buffer, change: Change): Buffer {
  return "write" in change
    ? written(content, change.write)
    : resized(content, Math.min(content.length, change.truncateTo));
}

function written(content: Buffer, { position, bytes }: Write): Buffer {
  const result = resized(content, Math.max(content.length, position + bytes.length));
  bytes.copy(result, position);
  return result;
}

function resized(content: Buffer, bytes: number): Buffer {
  if (content.length === bytes) return Buffer.from(content);
  const result = Buffer.alloc(bytes);
  content.copy(result);
  return result;
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: injected, ${what}`), { code });
}
