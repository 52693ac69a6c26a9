import type { BrokerError } from "../../kernel/errors.ts";
import { limits } from "../../kernel/limits.ts";
import type { Disk, DiskFile } from "./disk.ts";

/** How many files of sealed and active segments stay open for reading, over all logs. */
const OPEN_FILES_MAX = 128;

/**
 * What all logs of a process share: turns at reading, files open for reading, and the memory of the
 * tail caches. Log reads and `fdatasync` use the same four threads of the pool, so reads take turns.
 */
export class LogShare {
  readonly reads: Gate = new Gate(limits.concurrentLogReadsMax);
  readonly files: OpenFiles = new OpenFiles();
  readonly tails: TailBudget = new TailBudget(limits.tailCacheBytesTotalMax);
  /** Undefined where nobody watches the free space; then a full disk is met, not foreseen. */
  readonly space: SpaceGuard | undefined;

  constructor(space?: SpaceGuard) {
    this.space = space;
  }
}

/** Watches the free space of the file system that the logs lie on. */
export interface SpaceGuard {
  /** Why appends are refused at the moment: too little room is left. */
  readonly refusal: BrokerError | undefined;
  /** So many bytes were written: free space is measured early when that may have used it up. */
  wrote(bytes: number): void;
  measure(): Promise<void>;
  /** Measures, and says whether there is room for events. */
  hasRoom(): Promise<boolean>;
  /** A deletion or a recovery found the disk full: gives up a reserve; says whether there was one. */
  readonly relieve: () => Promise<boolean>;
}

/** Lets so many through at a time; the others wait in the order in which they came. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

interface OpenFile {
  readonly file: Promise<DiskFile>;
  users: number;
  isForgotten: boolean;
}

/**
 * Files open for reading, the least recently used closed first. A file is closed only when nobody
 * reads from it: the system may give its descriptor to another file at once.
 */
export class OpenFiles {
  readonly #files = new Map<string, OpenFile>();

  async use<T>(disk: Disk, path: string, work: (file: DiskFile) => Promise<T>): Promise<T> {
    const entry = this.#take(disk, path);
    try {
      return await work(await entry.file);
    } catch (thrown) {
      // What failed may be the file's own state, so the next reader opens it anew.
      this.#drop(path, entry);
      throw thrown;
    } finally {
      entry.users -= 1;
      if (entry.isForgotten) closeUnused(entry);
    }
  }

  /** Closes the file as soon as nobody reads from it: it is about to be deleted. */
  forget(path: string): void {
    const entry = this.#files.get(path);
    if (entry !== undefined) this.#drop(path, entry);
  }

  #take(disk: Disk, path: string): OpenFile {
    const known = this.#files.get(path);
    const entry = known ?? { file: disk.open(path, "read"), users: 0, isForgotten: false };
    // Taking it out and putting it in again makes it the most recently used.
    this.#files.delete(path);
    this.#files.set(path, entry);
    entry.users += 1;
    if (known === undefined) this.#evict();
    return entry;
  }

  #evict(): void {
    for (const [path, entry] of this.#files) {
      if (this.#files.size <= OPEN_FILES_MAX) return;
      if (entry.users === 0) this.#drop(path, entry);
    }
  }

  #drop(path: string, entry: OpenFile): void {
    if (this.#files.get(path) === entry) this.#files.delete(path);
    if (entry.isForgotten) return;
    entry.isForgotten = true;
    closeUnused(entry);
  }
}

function closeUnused(entry: OpenFile): void {
  if (entry.users > 0) return;
  entry.file
    .then((file) => file.close())
    // It was open for reading only: a failure to open or close it loses nothing, and its reader has
    // been told of the former.
    .catch(() => undefined);
}

/** A cache that can be asked to give back memory. */
export interface Evictable {
  /** Drops its oldest part; returns the bytes that freed, 0 when nothing is left. */
  evictOldest(): number;
}

/** Bounds the memory of all tail caches together; the least recently active log gives first. */
export class TailBudget {
  readonly #bytesMax: number;
  readonly #caches = new Set<Evictable>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  grew(cache: Evictable, bytes: number): void {
    this.#caches.delete(cache);
    this.#caches.add(cache);
    this.#bytes += bytes;
    if (this.#bytes > this.#bytesMax) this.#evict();
  }

  shrank(bytes: number): void {
    this.#bytes -= bytes;
  }

  leave(cache: Evictable): void {
    this.#caches.delete(cache);
  }

  #evict(): void {
    for (const cache of this.#caches) {
      let freed = 1;
      while (freed > 0 && this.#bytes > this.#bytesMax) freed = cache.evictOldest();
      if (this.#bytes <= this.#bytesMax) return;
      this.#caches.delete(cache);
    }
  }
}

/** The pool of threads belongs to the process, so by default its logs share one. */
export const processShare: LogShare = new LogShare();
