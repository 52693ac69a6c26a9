import { processEnvironment } from "../broker/config.ts";
import type { Finding } from "../engine/offline.ts";
import type { Flag, FlagValues } from "./command.ts";
import { textFlag } from "./command.ts";

/** What the commands that work on a data directory share. */
export const dataDirFlag: Flag = {
  flag: "--data-dir <dir>",
  summary: "directory of the embedded engine (MILLRACE_DATA_DIR, else ./data)",
};

export function dataDirOf(flags: FlagValues): string {
  return textFlag(flags, "dataDir") ?? processEnvironment()["MILLRACE_DATA_DIR"] ?? "./data";
}

/** One line a finding: how bad, where, what. */
export function findingLine({ severity, where, what }: Finding): string {
  return `${severity === "damage" ? "DAMAGE" : "notice"}  ${where}\n        ${what}`;
}

/** A finding as data: without the function that would mend it. */
export function findingData({ severity, where, what, repair }: Finding): object {
  return { severity, where, what, repair: repair?.what ?? null };
}

export function hasDamage(findings: readonly Finding[]): boolean {
  return findings.some(({ severity }) => severity === "damage");
}

/** `1 bus`, `2 buses`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
