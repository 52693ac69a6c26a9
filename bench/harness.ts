/**
 * What every bench line needs: child processes, a load generator, interleaved rounds and the facts
 * about the machine without which a figure means nothing.
 */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
export const root: string = path.dirname(here);

export interface Running {
  readonly url: string;
  readonly pid: number;
  readonly child: ChildProcess;
  /** Memory in use by the process now, MiB. */
  rssMib(): number;
  stop(): Promise<void>;
}

/** Starts a script that prints one line `listening on http://…` once it is ready. */
export async function startScript(script: string, args: readonly string[] = []): Promise<Running> {
  const child = spawn(process.execPath, [path.join(root, script), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_ENV: "production" },
  });
  const url = await firstUrl(child, script);
  const pid = child.pid ?? 0;
  return {
    url,
    pid,
    child,
    rssMib: () => rssMib(pid),
    stop: () => stop(child),
  };
}

function firstUrl(child: ChildProcess, script: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const found = /listening on (http:\/\/[^\s/]+)/.exec(text);
      if (found?.[1]) resolve(found[1]);
    });
    child.once("exit", (code) => reject(new Error(`${script} exited with ${code}: ${text}`)));
  });
}

function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}

function rssMib(pid: number): number {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Math.round(Number(found?.[1] ?? 0) / 1024);
}

/** A broker on a fresh data directory, and the directory's removal when it stops. */
export async function startBroker(): Promise<Running> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "millrace-bench-"));
  const broker = await startScript("src/main.ts", [
    "serve",
    "--port",
    "0",
    "--data-dir",
    dataDir,
    "--allow-private-sinks",
  ]);
  return {
    ...broker,
    async stop() {
      await broker.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly requests: number;
  readonly errors: number;
}

export const hasWrk: boolean = (() => {
  try {
    execFileSync("which", ["wrk"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** POSTs the same request over and over, each connection waiting for its answer. */
export function load(options: LoadOptions): Promise<LoadResult> {
  return hasWrk ? loadWithWrk(options) : loadWithNode(options);
}

async function loadWithWrk(options: LoadOptions): Promise<LoadResult> {
  const directory = mkdtempSync(path.join(tmpdir(), "millrace-wrk-"));
  const script = path.join(directory, "post.lua");
  const headers = Object.entries(options.headers)
    .map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`)
    .join("\n");
  writeFileSync(path.join(directory, "body"), options.body);
  writeFileSync(
    script,
    `wrk.method = "POST"\n${headers}\nlocal f = io.open(${JSON.stringify(path.join(directory, "body"))}, "rb")\nwrk.body = f:read("*a")\nf:close()\n`,
  );
  const args = ["-t1", `-c${options.connections}`, `-d${options.seconds}s`, "-s", script];
  const output = await run("wrk", [...args, options.url]);
  rmSync(directory, { recursive: true, force: true });
  const [, requests, seconds] = /(\d+) requests in ([\d.]+)s/.exec(output) ?? [];
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
    output,
  );
  const errors = (socketErrors ?? []).slice(1).reduce((sum, count) => sum + Number(count), bad);
  return {
    requests: Number(requests),
    requestsPerSecond: Number(requests) / Number(seconds),
    errors,
  };
}

async function loadWithNode(options: LoadOptions): Promise<LoadResult> {
  const output = await run(process.execPath, [
    path.join(here, "load-generator.ts"),
    JSON.stringify(options),
  ]);
  return JSON.parse(output) as LoadResult;
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.once("error", reject);
    child.once("exit", (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${command} exited with ${code}`)),
    );
  });
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? 0) + high) / 2;
}

/** Runs the variants in turn, round after round, so that the machine's moods hit all alike. */
export async function interleave<Name extends string>(
  rounds: number,
  variants: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(variants) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    number[]
  >;
  for (let round = 0; round < rounds; round++) {
    for (const name of names) results[name].push(await variants[name]());
  }
  return results;
}

/** The ratios of two variants, round by round: median, lowest and highest. */
export function ratio(above: readonly number[], below: readonly number[]): string {
  const ratios = above.map((value, round) => value / (below[round] ?? Number.NaN));
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
  return `${median(ratios).toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

export function rate(values: readonly number[]): string {
  return `${Math.round(median(values)).toLocaleString("en")}/s`;
}

export function describeMachine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return [
    `machine: ${cpus().length} × ${cpu?.model ?? "unknown CPU"}, ${memory} GiB, Node ${process.version}`,
    `load average at start: ${loadavg()
      .map((value) => value.toFixed(2))
      .join(" ")}; load generator: ${hasWrk ? "wrk" : "bench/load-generator.ts (wrk not found)"}`,
  ].join("\n");
}
