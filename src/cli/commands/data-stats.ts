import type { BusStats } from "../../engine/offline.ts";
import { dataStats } from "../../engine/offline.ts";
import type { Command } from "../command.ts";
import { dataDirFlag, dataDirOf, mebibytes } from "../data-flags.ts";

export const dataStatsCommand: Command = {
  noun: "data",
  verb: "stats",
  summary: "Figures of a data directory per bus; stop its broker first.",
  isOffline: true,
  flags: [dataDirFlag],
  examples: ["millrace data stats --data-dir ./data", "millrace data stats --output json"],
  async run(_context, _args, flags) {
    const stats = await dataStats(dataDirOf(flags));
    return {
      data: stats,
      view: { as: "table", columns, rows: stats.map(row) },
    };
  },
};

const columns = [
  "BUS",
  "SEGMENTS",
  "SIZE",
  "EVENTS",
  "OFFSETS",
  "OLDEST",
  "NEWEST",
  "DAMAGES",
  "SUBSCRIPTIONS",
  "PARKED",
  "DEAD",
  "RESCUED",
  "DELAYED",
];

function row(stats: BusStats): string[] {
  const { first, next, firstTime, lastTime } = stats;
  return [
    stats.bus,
    String(stats.segments),
    mebibytes(stats.bytes),
    String(stats.events),
    next === first ? `next ${next}` : `${first} to ${next - 1}`,
    timeOf(firstTime),
    timeOf(lastTime),
    String(stats.damages),
    ...[stats.subscriptions, stats.parked, stats.deadLetters, stats.rescued, stats.delayed].map(
      String,
    ),
  ];
}

function timeOf(time: number | null): string {
  return time === null ? "–" : new Date(time).toISOString();
}
