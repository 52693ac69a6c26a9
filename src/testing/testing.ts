/** What an engine, a connector or a dialect is tested with; published as `millrace/testing`. */
export { engineContract } from "./engine-contract.ts";
export type { EngineStore, EngineStoreOptions, MakeEngineStore } from "./engine-store.ts";
export { FakeClock } from "./fake-clock.ts";
export { FaultyDisk } from "./faulty-disk.ts";
export type { Death, DiskFault, DiskOperation, FaultyDiskOptions } from "./faulty-disk.ts";
export { SeededRandom } from "./seeded-random.ts";
