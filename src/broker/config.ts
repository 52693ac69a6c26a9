import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { objectionToAllowedSink } from "../connector/allowed-sinks.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError, fileFailure } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

/** Everything that can be set from outside, complete: readConfig fills in the defaults. */
export interface BrokerConfig {
  readonly engine: "embedded" | "memory";
  readonly dataDir: string;
  /** What an acknowledgement of the embedded engine waits for; spec/log-format.md. */
  readonly fsync: "always" | "interval" | "never";
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Clients must send it; only its hash is kept while running. */
  readonly token: string | undefined;
  /** Lets the broker listen beyond loopback without a token. */
  readonly insecure: boolean;
  readonly allowPrivateSinks: boolean;
  /** Private sinks that are allowed one by one: hosts, addresses, networks. */
  readonly allowSinks: readonly string[];
  /** 32 bytes in base64 or hex that seal the stored secrets; otherwise a key file is made. */
  readonly secretKey: string | undefined;
  /** Where key files made by the broker live. */
  readonly keyDirectory: string;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

type Reading = { readonly value: unknown } | { readonly wrong: string };

interface Setting {
  readonly doc: string;
  /** Its flag takes no value. */
  readonly isSwitch?: true;
  readonly read: (given: unknown) => Reading;
  /** The setting may also be read from a file, so that it stays out of process lists. */
  readonly orFile?: true;
}

/** One entry a setting: its flag is `--kebab-case`, its variable `MILLRACE_UPPER_CASE`. */
export const settings: Readonly<Record<keyof BrokerConfig, Setting>> = {
  engine: { doc: "what stores buses: embedded or memory", read: oneOf("embedded", "memory") },
  dataDir: { doc: "directory of the embedded engine", read: text },
  fsync: {
    doc: "sync events before they are acknowledged: always, interval (each second) or never",
    read: oneOf("always", "interval", "never"),
  },
  host: { doc: "address to listen on", read: text },
  port: { doc: "port to listen on, 0 picks one", read: port },
  token: { doc: "token that clients must send", read: text, orFile: true },
  insecure: { doc: "listen beyond loopback without a token", read: flag, isSwitch: true },
  allowPrivateSinks: { doc: "let sinks point into private networks", read: flag, isSwitch: true },
  allowSinks: {
    doc: "private sinks to allow, comma-separated: hosts, addresses, networks (10.1.0.0/16)",
    read: allowedSinks,
  },
  secretKey: { doc: "32 bytes, base64 or hex, that seal secrets", read: text, orFile: true },
  keyDirectory: { doc: "where key files made by the broker live", read: text },
  logLevel: {
    doc: "least important lines to log",
    read: oneOf("debug", "info", "warn", "error", "silent"),
  },
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment of this process; the only place that reads it. */
export function processEnvironment(): Environment {
  return process.env;
}

export function defaultConfig(environment: Environment = processEnvironment()): BrokerConfig {
  const configHome = environment["XDG_CONFIG_HOME"] || join(homedir(), ".config");
  return {
    engine: "embedded",
    dataDir: "./data",
    fsync: "always",
    host: "127.0.0.1",
    port: 8080,
    token: undefined,
    insecure: false,
    allowPrivateSinks: false,
    allowSinks: [],
    secretKey: undefined,
    keyDirectory: join(configHome, "millrace", "keys"),
    logLevel: "info",
  };
}

/**
 * The configuration from flags (camelCase members, absent or undefined where not given), the
 * environment, the JSON file that `config` or MILLRACE_CONFIG names, and the defaults: the first
 * that says something wins. Lists everything that is wrong at once.
 */
export function readConfig(
  flags: Readonly<Record<string, unknown>>,
  environment: Environment = processEnvironment(),
): BrokerConfig {
  const violations: Violation[] = [];
  const { config: fileFlag, ...given } = flags;
  const fileName = typeof fileFlag === "string" ? fileFlag : environment["MILLRACE_CONFIG"];
  const file = fileName === undefined ? {} : readConfigFile(fileName, violations);
  refuseUnknown(given, "flags", violations);
  const result: Record<string, unknown> = { ...defaultConfig(environment) };
  for (const [name, setting] of Object.entries(settings)) {
    const found =
      fromObject(given, name, (key) => `--${kebab(key)}`) ??
      fromEnvironment(environment, name, setting, violations) ??
      fromObject(file, name, (key) => `${fileName}: ${key}`);
    if (found === undefined) continue;
    const reading = setting.read(found.given);
    if ("wrong" in reading) violations.push(violation(found.from, reading.wrong));
    else result[name] = reading.value;
  }
  if (violations.length > 0) throw invalidConfig(violations);
  // Every member was checked by its own reader above.
  const config = result as unknown as BrokerConfig;
  refuseUnsafeListening(config, config.host);
  return config;
}

/** P8: a broker that listens beyond loopback without a token does not start. */
export function refuseUnsafeListening(
  config: Pick<BrokerConfig, "token" | "insecure">,
  host: string,
): void {
  if (isLoopbackHost(host) || config.token !== undefined || config.insecure) return;
  throw new BrokerError(
    "invalid_config",
    `listening on ${host} without a token would let anybody in: give --token (MILLRACE_TOKEN), or ` +
      "listen on 127.0.0.1, or say --insecure if the network in front is trusted",
  );
}

/** Whether an address or name, without port, means this machine only. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    name === "[::1]" ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
  );
}

interface Found {
  readonly given: unknown;
  readonly from: string;
}

function fromObject(
  object: Readonly<Record<string, unknown>>,
  name: string,
  describe: (name: string) => string,
): Found | undefined {
  const given = Object.hasOwn(object, name) ? object[name] : undefined;
  return given === undefined ? undefined : { given, from: describe(name) };
}

function fromEnvironment(
  environment: Environment,
  name: string,
  setting: Setting,
  violations: Violation[],
): Found | undefined {
  const variable = `MILLRACE_${kebab(name).replaceAll("-", "_").toUpperCase()}`;
  const given = environment[variable];
  if (given !== undefined && given !== "") return { given, from: variable };
  const fileName = setting.orFile === true ? environment[`${variable}_FILE`] : undefined;
  if (fileName === undefined || fileName === "") return undefined;
  try {
    return { given: readFileSync(fileName, "utf8").trim(), from: `${variable}_FILE` };
  } catch (error) {
    violations.push(violation(`${variable}_FILE`, `cannot be read: ${fileFailure(error)}`));
    return undefined;
  }
}

function readConfigFile(fileName: string, violations: Violation[]): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(fileName, "utf8");
  } catch (error) {
    const message = `cannot read the file '${fileName}': ${fileFailure(error)}`;
    violations.push(violation("--config", message));
    return {};
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    violations.push(violation("--config", `the file '${fileName}' is not JSON: ${reason}`));
    return {};
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    violations.push(violation("--config", `the file '${fileName}' must hold one JSON object`));
    return {};
  }
  const file = parsed as Record<string, unknown>;
  refuseUnknown(file, fileName, violations);
  return file;
}

function refuseUnknown(
  given: Readonly<Record<string, unknown>>,
  from: string,
  violations: Violation[],
): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(settings, name)) continue;
    violations.push(
      violation(`${from}: ${name}`, `unknown setting; known: ${Object.keys(settings).join(", ")}`),
    );
  }
}

function invalidConfig(violations: readonly Violation[]): BrokerError {
  const list = violations.map((each) => `${each.path}: ${each.message}`).join("; ");
  return new BrokerError("invalid_config", list, { violations });
}

function violation(path: string, message: string): Violation {
  return { path, code: "invalid_value", message };
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function text(given: unknown): Reading {
  if (typeof given === "string" && given !== "") return { value: given };
  return { wrong: "must be a text that is not empty" };
}

function flag(given: unknown): Reading {
  if (given === true || given === "true" || given === "1") return { value: true };
  if (given === false || given === "false" || given === "0") return { value: false };
  return { wrong: `must be true or false, not ${JSON.stringify(given)}` };
}

/** A list in the configuration file, separated by commas elsewhere. */
function allowedSinks(given: unknown): Reading {
  const list: unknown = typeof given === "string" ? given.split(",") : given;
  const isListOfTexts = Array.isArray(list) && list.every((each) => typeof each === "string");
  if (!isListOfTexts) return { wrong: "must be a list of hosts, addresses and networks" };
  const entries = list.map((each: string) => each.trim()).filter((each) => each !== "");
  if (entries.length > limits.allowedSinksMax) {
    const most = `at most ${limits.allowedSinksMax} (allowedSinksMax)`;
    return { wrong: `has ${entries.length} entries; ${most}` };
  }
  const objections = entries.flatMap((each) => objectionToAllowedSink(each) ?? []);
  return objections.length > 0 ? { wrong: objections.join("; ") } : { value: entries };
}

function port(given: unknown): Reading {
  const number = typeof given === "string" && /^\d{1,5}$/.test(given) ? Number(given) : given;
  if (typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= 65_535) {
    return { value: number };
  }
  return { wrong: `must be a port between 0 and 65535, not ${JSON.stringify(given)}` };
}

function oneOf(...allowed: readonly string[]): (given: unknown) => Reading {
  return (given) =>
    typeof given === "string" && allowed.includes(given)
      ? { value: given }
      : { wrong: `must be one of ${allowed.join(", ")}, not ${JSON.stringify(given)}` };
}
