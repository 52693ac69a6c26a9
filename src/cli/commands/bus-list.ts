import type { Command } from "../command.ts";

export const busList: Command = {
  noun: "bus",
  verb: "list",
  summary: "List all buses.",
  examples: ["millrace bus list", "millrace bus list --output json"],
  async run({ client }) {
    const buses = await client.buses();
    return {
      data: buses,
      view: {
        as: "table",
        columns: ["NAME", "KEPT FOR", "KEPT BYTES", "CREATED", "DESCRIPTION"],
        rows: buses.map((bus) => [
          bus.name,
          bus.retention.maxAge ?? "forever",
          bus.retention.maxBytes === null ? "no limit" : String(bus.retention.maxBytes),
          bus.created,
          bus.description,
        ]),
      },
    };
  },
};
