import { posix } from "node:path";
import type { SeededRandom } from "./seeded-random.ts";

/** What a disk writes as one: a torn write has torn between two of these, never within one. */
export const SECTOR_BYTES = 512;

/** What programs did to a file and no sync has made durable yet. */
type FileChange =
  | { readonly kind: "write"; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly bytes: number };

/** What programs did to a directory; a rename is one change, as on a journaling file system. */
interface EntryChange {
  readonly removed: string | undefined;
  readonly added: { readonly name: string; readonly node: Node } | undefined;
}

export type Node = FileNode | DirectoryNode;

/** Decides whether one unsynced change has reached the disk all the same. */
type Keep = () => boolean;

/** A file: as programs see it, as it is on the disk, and the changes that lie between. */
export class FileNode {
  live: Buffer = Buffer.alloc(0);
  #durable: Buffer = this.live;
  #unsynced: FileChange[] = [];
  /** Durable and unsynced together make up what is live; a failed sync may have put an end to it. */
  #isWhole = true;

  write(position: number, bytes: Buffer): void {
    this.#change({ kind: "write", position, bytes });
  }

  truncate(bytes: number): void {
    this.#change({ kind: "truncate", bytes });
  }

  /** Writes what is dirty, and nothing else: clean pages that never arrived stay where they are. */
  sync(): void {
    if (this.#isWhole) this.#durable = this.live;
    else this.#durable = this.#unsynced.reduce(changed, this.#durable);
    this.#unsynced = [];
  }

  /**
   * A sync that failed, as on Linux: some of the pages reached the disk, the kernel calls all of
   * them clean, and the next sync says yes without writing anything. `evict` = the kernel also
   * drops the pages, so that readers see what is on the disk.
   */
  failSync(keep: Keep, evict: boolean): void {
    this.#durable = torn(this.#durable, this.#unsynced, keep);
    this.#unsynced = [];
    this.#isWhole = evict;
    if (evict) this.live = this.#durable;
  }

  cut(keep: Keep): void {
    this.#durable = torn(this.#durable, this.#unsynced, keep);
    this.live = this.#durable;
    this.#unsynced = [];
    this.#isWhole = true;
  }

  /** As if the medium had changed, whatever the page cache held. */
  overwrite(bytes: Buffer): void {
    this.live = Buffer.from(bytes);
    this.#durable = this.live;
    this.#unsynced = [];
    this.#isWhole = true;
  }

  /** Changes one bit on the medium, and for whoever reads; what is dirty stays so. */
  flipBit(bit: number): void {
    this.live = flipped(this.live, bit);
    this.#durable = flipped(this.#durable, bit);
  }

  #change(change: FileChange): void {
    this.live = changed(this.live, change);
    this.#unsynced.push(change);
  }
}

/** A directory: its names as programs see them and as they are on the disk. */
export class DirectoryNode {
  live: Map<string, Node> = new Map();
  #durable: Map<string, Node> = new Map();
  #unsynced: EntryChange[] = [];

  add(name: string, node: Node): void {
    this.#change({ removed: undefined, added: { name, node } });
  }

  remove(name: string): void {
    this.#change({ removed: name, added: undefined });
  }

  rename(from: string, to: { readonly name: string; readonly node: Node }): void {
    this.#change({ removed: from, added: to });
  }

  sync(): void {
    this.#durable = new Map(this.live);
    this.#unsynced = [];
  }

  cut(keep: Keep): void {
    for (const change of this.#unsynced) if (keep()) apply(this.#durable, change);
    this.#unsynced = [];
    this.live = new Map(this.#durable);
    for (const node of this.live.values()) node.cut(keep);
  }

  /** Bytes of all files below, as programs see them. */
  get bytes(): number {
    let sum = 0;
    for (const node of this.live.values()) {
      sum += node instanceof FileNode ? node.live.length : node.bytes;
    }
    return sum;
  }

  #change(change: EntryChange): void {
    apply(this.live, change);
    this.#unsynced.push(change);
  }
}

/** Without chance nothing unsynced survives; with it, much or little does, from cut to cut. */
export function keepBy(random: SeededRandom | undefined): Keep {
  if (random === undefined) return () => false;
  const share = random.pick([0, 0, 0.1, 0.5, 0.5, 0.9, 1]);
  return () => random.chance(share);
}

export function findNode(root: DirectoryNode, path: string): Node | undefined {
  let node: Node | undefined = root;
  for (const name of path.split("/")) {
    if (name === "") continue;
    node = node instanceof DirectoryNode ? node.live.get(name) : undefined;
  }
  return node;
}

/** Every file below, with its path, in the order of creation. */
export function filesBelow(directory: DirectoryNode, path: string): [string, FileNode][] {
  return [...directory.live].flatMap(([name, node]): [string, FileNode][] => {
    const below = posix.join(path, name);
    return node instanceof FileNode ? [[below, node]] : filesBelow(node, below);
  });
}

function apply(entries: Map<string, Node>, { removed, added }: EntryChange): void {
  if (removed !== undefined) entries.delete(removed);
  if (added !== undefined) entries.set(added.name, added.node);
}

/** Each sector of each change arrives or not, by itself: that is loss, tearing and reordering. */
function torn(durable: Buffer, changes: readonly FileChange[], keep: Keep): Buffer {
  let content = durable;
  for (const change of changes) {
    if (change.kind === "truncate") {
      if (keep()) content = changed(content, change);
      continue;
    }
    const { position, bytes } = change;
    const end = position + bytes.length;
    for (let start = position; start < end; start = sectorAfter(start)) {
      if (!keep()) continue;
      const piece = bytes.subarray(start - position, sectorAfter(start) - position);
      content = changed(content, { kind: "write", position: start, bytes: piece });
    }
  }
  return content;
}

function flipped(content: Buffer, bit: number): Buffer {
  const at = Math.floor(bit / 8);
  if (at >= content.length) return content;
  const result = Buffer.from(content);
  result.writeUInt8(result.readUInt8(at) ^ (1 << (bit % 8)), at);
  return result;
}

function sectorAfter(position: number): number {
  return (Math.floor(position / SECTOR_BYTES) + 1) * SECTOR_BYTES;
}

/** A new buffer: the old one may be what is durable. What was never written reads as zeros. */
function changed(content: Buffer, change: FileChange): Buffer {
  const isWrite = change.kind === "write";
  const length = isWrite
    ? Math.max(content.length, change.position + change.bytes.length)
    : change.bytes;
  const result = Buffer.alloc(length);
  content.copy(result);
  if (isWrite) change.bytes.copy(result, change.position);
  return result;
}
