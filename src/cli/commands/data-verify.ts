import { verifyData } from "../../engine/offline.ts";
import type { Command } from "../command.ts";
import {
  counted,
  dataDirFlag,
  dataDirOf,
  findingData,
  findingLine,
  hasDamage,
  mebibytes,
} from "../data-flags.ts";

export const dataVerify: Command = {
  noun: "data",
  verb: "verify",
  summary: "Check every checksum and invariant of a data directory; stop its broker first.",
  isOffline: true,
  flags: [dataDirFlag],
  examples: ["millrace data verify --data-dir ./data", "millrace data verify --output json"],
  async run(context, _args, flags) {
    const isForPeople = flags["output"] !== "json";
    const report = await verifyData({
      dataDir: dataDirOf(flags),
      onFinding: (finding) => {
        if (isForPeople) context.notice(findingLine(finding));
      },
    });
    const { findings, buses, bytes, dataDir } = report;
    const isDamaged = hasDamage(findings);
    const read = `${counted(buses.length, "bus", "buses")} and ${mebibytes(bytes)} of logs read`;
    const damages = findings.filter(({ severity }) => severity === "damage").length;
    const verdict = isDamaged
      ? `${counted(damages, "damage", "damages")} found; \`millrace data repair\` says what can be done`
      : "nothing is damaged";
    return {
      data: { dataDir, isDamaged, buses, bytes, findings: findings.map(findingData) },
      view: { as: "text", text: `${read}: ${verdict}` },
      exitCode: isDamaged ? 1 : 0,
    };
  },
};
