import { posix } from "node:path";
import type { Disk, DiskFile, FileFacts, FileSpan, OpenMode } from "../engine/engines.ts";
import type { Clock } from "../kernel/clock.ts";
import { DirectoryNode, FileNode, filesBelow, findNode, keepBy } from "./faulty-disk-tree.ts";
import type { Node } from "./faulty-disk-tree.ts";
import type { SeededRandom } from "./seeded-random.ts";

export type DiskOperation =
  | "open"
  | "write"
  | "dataSync"
  | "read"
  | "truncate"
  | "rename"
  | "unlink"
  | "makeDirectory"
  | "removeDirectory"
  | "list"
  | "stat"
  | "syncDirectory"
  | "freeBytes";

export interface DiskFault {
  /** Undefined: whatever operation comes. */
  readonly operation?: DiskOperation;
  /** The errno name: `EIO`, `ENOSPC`, `EMFILE` … A `short` write says it took less than asked. */
  readonly code: string;
  /** How many of these operations succeed first; none by default. */
  readonly after?: number;
  /** How many times it fails; for ever by default. */
  readonly times?: number;
  /** Of a write that fails or is short: how many bytes it takes first. */
  readonly writtenBytes?: number;
}

interface ArmedFault extends DiskFault {
  seen: number;
}

/** When the machine stops: as a call begins, or when it is done and nobody has been told. */
export interface Death {
  /** Undefined: whatever operation comes. */
  readonly operation?: DiskOperation;
  /** How many of these operations are carried out first. */
  readonly afterCalls: number;
  readonly moment: "before" | "after";
}

export interface FaultyDiskOptions {
  /** Decides how long operations take, in turns of the event loop, and what a failed sync kept. */
  readonly random?: SeededRandom;
  /** Needed for slow operations. */
  readonly clock?: Clock;
  /** By chance a failed sync also drops the pages from the cache; with this it never does. */
  readonly keepsFailedPages?: boolean;
}

type Written = (failure: Error | undefined, written: number) => void;

/**
 * A disk in memory that keeps exactly what a real one has promised: what was synced. It fails,
 * fills up, slows down and loses power on demand, and by a seed, so that a failure replays.
 *
 * States: alive → dead by kill(), crash(), or a death that was ordered. A dead disk never answers
 * again: the process that used it hangs and can do no more harm. kill() and crash() hand over what
 * the next process finds, as another disk.
 */
export class FaultyDisk implements Disk {
  readonly #options: FaultyDiskOptions;
  readonly #root: DirectoryNode;
  #faults: ArmedFault[] = [];
  #death: Death | undefined;
  #callsToDeath = 0;
  #isDying = false;
  #isDead = false;
  #calls = 0;
  /** Told of every call before it is carried out. */
  onCall: ((operation: DiskOperation, path: string) => void) | undefined;
  /** Told when a death that was ordered has come. */
  onDeath: (() => void) | undefined;
  /** A write stops after so many bytes. */
  writeBytesMax: number = Number.POSITIVE_INFINITY;
  /** What fits on the disk, all files together. */
  capacityBytes: number = Number.POSITIVE_INFINITY;
  /** What freeBytes answers at most, however much fits. */
  free: number = 2 ** 40;
  /** How long each operation takes on the clock. */
  delayMs = 0;

  constructor(options: FaultyDiskOptions = {}, root: DirectoryNode = new DirectoryNode()) {
    this.#options = options;
    this.#root = root;
  }

  /** How many operations were begun. */
  get calls(): number {
    return this.#calls;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  inject(fault: DiskFault): void {
    this.#faults.push({ ...fault, seen: 0 });
  }

  /** Takes back faults, short writes, slowness and fullness. */
  heal(): void {
    this.#faults = [];
    this.writeBytesMax = Number.POSITIVE_INFINITY;
    this.capacityBytes = Number.POSITIVE_INFINITY;
    this.free = 2 ** 40;
    this.delayMs = 0;
  }

  dieAt(death: Death): void {
    this.#death = death;
    this.#callsToDeath = death.afterCalls;
  }

  cancelDeath(): void {
    this.#death = undefined;
  }

  /** As kill -9 leaves it: what was written is there, synced or not, and still in danger. */
  kill(): FaultyDisk {
    this.#die();
    return new FaultyDisk(this.#options, this.#root);
  }

  /**
   * As a power cut leaves it. Of what was not synced, each sector of each write and each name
   * arrives or not, as chance has it; without chance nothing does.
   */
  crash(random?: SeededRandom): FaultyDisk {
    this.#die();
    this.#root.cut(keepBy(random));
    return new FaultyDisk(this.#options, this.#root);
  }

  /** Changes one bit on the medium. */
  flipBit(path: string, bit: number): void {
    this.#file(path).flipBit(bit);
  }

  bytesOf(path: string): Buffer {
    return this.#file(path).live;
  }

  overwrite(path: string, bytes: Buffer): void {
    this.#file(path).overwrite(bytes);
  }

  /** The paths of all files below a directory, sorted. */
  filesIn(directory: string): readonly string[] {
    const node = findNode(this.#root, directory);
    if (!(node instanceof DirectoryNode)) return [];
    return filesBelow(node, directory)
      .map(([path]) => path)
      .toSorted();
  }

  // -- Disk --------------------------------------------------------------------------------------

  open(path: string, mode: OpenMode): Promise<DiskFile> {
    return this.#run("open", path, () => {
      if (mode === "create") {
        if (findNode(this.#root, path) !== undefined) throw systemError("EEXIST", path);
        this.#parent(path).add(posix.basename(path), new FileNode());
      }
      return this.#handle(this.#file(path), path);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run("rename", from, () => {
      const node = this.#node(from);
      const added = { name: posix.basename(to), node };
      if (this.#parent(from) !== this.#parent(to)) throw systemError("EXDEV", to);
      this.#parent(from).rename(posix.basename(from), added);
    });
  }

  unlink(path: string): Promise<void> {
    return this.#run("unlink", path, () => {
      this.#file(path);
      this.#parent(path).remove(posix.basename(path));
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#run("makeDirectory", path, () => {
      if (findNode(this.#root, path) !== undefined) throw systemError("EEXIST", path);
      this.#parent(path).add(posix.basename(path), new DirectoryNode());
    });
  }

  removeDirectory(path: string): Promise<void> {
    return this.#run("removeDirectory", path, () => {
      if (this.#directory(path).live.size > 0) throw systemError("ENOTEMPTY", path);
      this.#parent(path).remove(posix.basename(path));
    });
  }

  list(path: string): Promise<readonly string[]> {
    return this.#run("list", path, () => [...this.#directory(path).live.keys()].toSorted());
  }

  stat(path: string): Promise<FileFacts> {
    return this.#run("stat", path, () => {
      const node = this.#node(path);
      const isDirectory = node instanceof DirectoryNode;
      return { bytes: isDirectory ? 0 : node.live.length, isDirectory };
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#run("syncDirectory", path, () => this.#directory(path).sync());
  }

  freeBytes(path: string): Promise<number> {
    return this.#run("freeBytes", path, () => Math.max(0, Math.min(this.free, this.#room())));
  }

  // -- Files -------------------------------------------------------------------------------------

  #handle(file: FileNode, path: string): DiskFile {
    return {
      write: (span, done) => {
        this.#begin("write", path, (fault) => this.#write(file, { span, fault, path }, done));
      },
      dataSync: (done) => this.#begin("dataSync", path, (fault) => this.#sync(file, fault, done)),
      read: (span) =>
        this.#run("read", path, () => {
          const end = span.position + span.end - span.start;
          return file.live.copy(span.buffer, span.start, span.position, end);
        }),
      truncate: (bytes) => this.#run("truncate", path, () => file.truncate(bytes)),
      bytes: () => this.#run("stat", path, () => file.live.length),
      // Closing is no call of its own: it makes nothing durable and nobody may rely on its answer.
      close: () => Promise.resolve(),
    };
  }

  #write(
    file: FileNode,
    call: { readonly span: FileSpan; readonly fault: DiskFault | undefined; readonly path: string },
    done: Written,
  ): void {
    const { span, fault, path } = call;
    const wanted = span.end - span.start;
    const fits = Math.max(0, Math.min(wanted, this.#room(file, span.position)));
    let count = Math.min(fits, this.writeBytesMax);
    if (fault !== undefined) count = Math.min(wanted - 1, count, fault.writtenBytes ?? 0);
    const isShort = fault?.code === "short" && wanted > 1;
    if (isShort) count = Math.max(1, count);
    if (count > 0) {
      const bytes = Buffer.from(span.buffer.subarray(span.start, span.start + count));
      file.write(span.position, bytes);
    }
    const code = fault === undefined || fault.code === "short" ? undefined : fault.code;
    if (code !== undefined) this.#answer(() => done(systemError(code, path), 0));
    else if (count === 0 && wanted > 0) this.#answer(() => done(systemError("ENOSPC", path), 0));
    else this.#answer(() => done(undefined, count));
  }

  #sync(
    file: FileNode,
    fault: DiskFault | undefined,
    done: (failure: Error | undefined) => void,
  ): void {
    if (fault === undefined || fault.code === "short") {
      file.sync();
      this.#answer(() => done(undefined));
      return;
    }
    const { random, keepsFailedPages = false } = this.#options;
    file.failSync(keepBy(random), !keepsFailedPages && (random?.chance(0.3) ?? false));
    this.#answer(() => done(systemError(fault.code, "dataSync")));
  }

  // -- How an operation is carried out -----------------------------------------------------------

  #run<Result>(operation: DiskOperation, path: string, work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#begin(operation, path, (fault) => {
        try {
          if (fault !== undefined && fault.code !== "short") throw systemError(fault.code, path);
          const result = work();
          this.#answer(() => resolve(result));
        } catch (error) {
          this.#answer(() => reject(error as Error));
        }
      });
    });
  }

  /** Every operation takes at least a turn of the event loop, as on a real disk. */
  #begin(
    operation: DiskOperation,
    path: string,
    work: (fault: DiskFault | undefined) => void,
  ): void {
    const { clock, random } = this.#options;
    const start = (): void => {
      if (this.#isDead) return;
      this.onCall?.(operation, path);
      this.#calls += 1;
      this.#isDying = this.#isDeathCall(operation);
      if (this.#isDying && this.#death?.moment === "before") return this.#die();
      const fault = this.#due(operation);
      work(fault);
    };
    const turns = random === undefined ? 1 : random.integer(1, 3);
    if (this.delayMs > 0 && clock !== undefined) clock.after(this.delayMs, start);
    else later(turns, start);
  }

  #answer(tell: () => void): void {
    if (this.#isDying) this.#die();
    else if (!this.#isDead) tell();
  }

  #isDeathCall(operation: DiskOperation): boolean {
    const death = this.#death;
    if (death === undefined || (death.operation ?? operation) !== operation) return false;
    this.#callsToDeath -= 1;
    return this.#callsToDeath < 0;
  }

  #die(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.onDeath?.();
  }

  #due(operation: DiskOperation): DiskFault | undefined {
    let due: DiskFault | undefined;
    for (const fault of this.#faults) {
      if (fault.operation !== undefined && fault.operation !== operation) continue;
      fault.seen += 1;
      const failed = fault.seen - (fault.after ?? 0);
      if (failed >= 1 && failed <= (fault.times ?? Number.POSITIVE_INFINITY)) due ??= fault;
    }
    return due;
  }

  /** How far a write at this position may reach before the disk is full. */
  #room(file?: FileNode, position = 0): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return this.capacityBytes;
    const left = this.capacityBytes - this.#root.bytes;
    return file === undefined ? left : left + Math.max(0, file.live.length - position);
  }

  // -- Names -------------------------------------------------------------------------------------

  #node(path: string): Node {
    const node = findNode(this.#root, path);
    if (node === undefined) throw systemError("ENOENT", path);
    return node;
  }

  #file(path: string): FileNode {
    const node = this.#node(path);
    if (node instanceof DirectoryNode) throw systemError("EISDIR", path);
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#node(path);
    if (node instanceof FileNode) throw systemError("ENOTDIR", path);
    return node;
  }

  #parent(path: string): DirectoryNode {
    return this.#directory(posix.dirname(path));
  }
}

function later(turns: number, work: () => void): void {
  setImmediate(() => (turns > 1 ? later(turns - 1, work) : work()));
}

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: injected, ${what}`), { code });
}
