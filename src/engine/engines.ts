import type { Clock } from "../kernel/clock.ts";
import type { Logger } from "../kernel/logger.ts";
import { createEmbeddedEngine } from "./embedded/embedded-engine.ts";
import type { Engine, FsyncMode } from "./engine.ts";
import { createMemoryEngine } from "./memory/memory-engine.ts";

export { createEmbeddedEngine } from "./embedded/embedded-engine.ts";
export type { EmbeddedEngineOptions } from "./embedded/embedded-engine.ts";
export type { Disk, DiskFile, FileFacts, FileSpan, OpenMode } from "./embedded/disk.ts";
export { makeDirectories, syncDirectory } from "./directories.ts";
export { createMemoryEngine } from "./memory/memory-engine.ts";
export type { MemoryEngineOptions } from "./memory/memory-engine.ts";

/** What any engine is made from; each takes what it needs. */
export interface CreateEngineOptions {
  readonly dataDir: string;
  readonly fsync?: FsyncMode;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface EngineDefinition {
  readonly name: string;
  readonly summary: string;
  readonly createEngine: (options: CreateEngineOptions) => Engine;
}

export const engines: readonly EngineDefinition[] = [
  {
    name: "embedded",
    summary: "Keeps everything in a data directory on this machine; survives crashes.",
    createEngine: createEmbeddedEngine,
  },
  {
    name: "memory",
    summary: "Keeps everything in memory and loses it with the process; for tests and trials.",
    createEngine: createMemoryEngine,
  },
];
