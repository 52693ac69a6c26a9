import type { BrokerConfig } from "../broker/config.ts";
import { defaultConfig, readConfig, settings } from "../broker/config.ts";
import type { Flag, FlagValues } from "./command.ts";

const defaults: Readonly<Record<string, unknown>> = { ...defaultConfig() };

/** The flags of `serve` and `dev` are the broker's settings, so that none can be missing. */
export const serveFlags: readonly Flag[] = [
  ...Object.entries(settings).map(([name, { doc, isSwitch }]) => ({
    flag: isSwitch === true ? `--${kebab(name)}` : `--${kebab(name)} <value>`,
    summary: `${doc} (${describeDefault(defaults[name])}MILLRACE_${kebab(name).replaceAll("-", "_").toUpperCase()})`,
  })),
  { flag: "--config <file>", summary: "JSON file with these settings (MILLRACE_CONFIG)" },
];

const names = [...Object.keys(settings), "config"];

export function serveConfig(
  flags: FlagValues,
  overrides: Partial<BrokerConfig> = {},
): BrokerConfig {
  const given = Object.fromEntries(names.map((name) => [name, flags[name]]));
  return { ...readConfig(given), ...overrides };
}

function describeDefault(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? `default ${value}; ` : "";
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
