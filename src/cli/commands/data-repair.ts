import { repairData } from "../../engine/offline.ts";
import type { Command } from "../command.ts";
import {
  counted,
  dataDirFlag,
  dataDirOf,
  findingData,
  findingLine,
  hasDamage,
} from "../data-flags.ts";

export const dataRepair: Command = {
  noun: "data",
  verb: "repair",
  summary:
    "Say what can be mended in a data directory without losing anything; with --yes, do it. Stop its broker first.",
  isOffline: true,
  flags: [dataDirFlag, { flag: "--yes", summary: "do it; otherwise it is only said" }],
  examples: [
    "millrace data repair --data-dir ./data",
    "millrace data repair --data-dir ./data --yes",
  ],
  async run(context, _args, flags) {
    const isForPeople = flags["output"] !== "json";
    const isApplied = flags["yes"] === true;
    const say = (text: string): void => {
      if (isForPeople) context.notice(text);
    };
    const report = await repairData({
      dataDir: dataDirOf(flags),
      isApplied,
      onFinding: (finding) => say(findingLine(finding)),
      onRepair: (what) => say(`${isApplied ? "repair" : "would"}  ${what}`),
    });
    const { findings, repairs, buses, bytes, dataDir } = report;
    const remaining = findings.filter(({ severity, repair }) => {
      return severity === "damage" && (repair === undefined || !isApplied);
    });
    const changes = counted(repairs.length, "change", "changes");
    const done = isApplied ? `${changes} made` : `${changes} to make; nothing was touched`;
    const left = counted(remaining.length, "damage remains", "damages remain");
    const advice = repairs.length > 0 && !isApplied ? "; --yes does it" : "";
    return {
      data: { dataDir, isApplied, buses, bytes, repairs, findings: findings.map(findingData) },
      view: { as: "text", text: `${done}, ${left}${advice}` },
      exitCode: hasDamage(remaining) ? 1 : 0,
    };
  },
};
