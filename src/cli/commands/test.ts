import { UsageError } from "../command.ts";
import type { Command } from "../command.ts";
import type { FixtureReport } from "../fixtures.ts";
import { runFixtures } from "../fixtures.ts";

export const testCommand: Command = {
  verb: "test",
  summary: "Check subscriptions against fixtures: events and what must become of them.",
  isOffline: true,
  arguments: [{ argument: "<files...>", summary: "JSON files with fixtures" }],
  examples: [
    "millrace test subscriptions/*.test.json",
    "millrace test stars.test.json --output json",
  ],
  async run(context, files) {
    if (files.length === 0) throw new UsageError("name at least one file with fixtures");
    const { createPlayground } = await import("../../broker/broker.ts");
    const playground = createPlayground();
    const reports: FixtureReport[] = [];
    for (const file of files) {
      reports.push(
        ...(await runFixtures({ file, text: await context.readText(`@${file}`), playground })),
      );
    }
    const failed = reports.filter(({ failures }) => failures.length > 0);
    const lines = reports.flatMap(({ file, name, failures }) => [
      `${failures.length === 0 ? "✓" : "✗"} ${file}: ${name}`,
      ...failures.map((failure) => `    ${failure}`),
    ]);
    lines.push(`${reports.length - failed.length} of ${reports.length} fixtures hold`);
    return {
      data: { fixtures: reports, failed: failed.length },
      view: { as: "text", text: lines.join("\n") },
      exitCode: failed.length === 0 ? 0 : 1,
    };
  },
};
