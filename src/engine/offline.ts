/** The door to the tools that look at a data directory while no broker has it open. */
export { dataStats, repairData, verifyData } from "./embedded/offline-data.ts";
export type {
  BusStats,
  OfflineOptions,
  RepairOptions,
  RepairReport,
  VerifyReport,
} from "./embedded/offline-data.ts";
export type { Finding, Severity } from "./embedded/offline-report.ts";
