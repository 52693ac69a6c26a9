/** A real broker in a process of its own, for tests that kill it or run it as its user would. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

const ANSWER_MS_MAX = 30_000;

export interface BrokerProcess {
  readonly url: string;
  readonly pid: number;
  /** Everything it printed so far, both streams. */
  output(): string;
  /** SIGKILL, no farewell. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit status. */
  stop(): Promise<number | null>;
}

export interface BrokerProcessOptions {
  readonly dataDir: string;
  readonly verb?: "serve" | "dev";
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export async function startBrokerProcess(options: BrokerProcessOptions): Promise<BrokerProcess> {
  const { dataDir, verb = "serve", flags = [] } = options;
  const args = ["src/main.ts", verb, "--port", "0", "--data-dir", dataDir, ...flags];
  // Keys for secrets go beside the data, so that no test writes into the home of its user.
  const env = { ...process.env, XDG_CONFIG_HOME: `${dataDir}-config`, ...options.env };
  const child = spawn(process.execPath, args, {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const url = await listeningUrl(child, () => text);
  return {
    url,
    pid: child.pid ?? 0,
    output: () => text,
    async kill() {
      const exited = hasExited(child) ? undefined : once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
    async stop() {
      const exited = hasExited(child) ? undefined : once(child, "exit");
      child.kill("SIGTERM");
      await exited;
      return child.exitCode;
    },
  };
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function listeningUrl(child: ChildProcess, text: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.on("data", () => {
      const found = /^listening on (http:\/\/\S+)$/m.exec(text());
      if (found?.[1]) resolve(found[1]);
    });
    child.once("exit", (code) => reject(new Error(`the broker exited with ${code}: ${text()}`)));
  });
}

/** A fresh directory under the system's temporary one; removed with everything when disposed. */
export async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const created = await mkdtemp(path.join(tmpdir(), "millrace-test-"));
  return {
    path: created,
    async [Symbol.asyncDispose]() {
      await rm(created, { recursive: true, force: true });
      await rm(`${created}-config`, { recursive: true, force: true });
    },
  };
}

/** Sends JSON and fails loudly on anything but a 2xx. */
export async function sendJson(method: string, url: string, body?: unknown): Promise<unknown> {
  // Without an end a broker that does not answer would look like a test that hangs.
  const init: RequestInit = { method, signal: AbortSignal.timeout(ANSWER_MS_MAX) };
  if (body !== undefined) {
    init.headers = { "content-type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(url, init).catch((error: unknown) => {
    throw new Error(`${method} ${url} got no answer`, { cause: error });
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url} answered ${answer.status}: ${text}`);
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}

/** Waits for something that another process does; fails with what `describe` says. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  describe: () => string,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${describe()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
