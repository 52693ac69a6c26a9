import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

/** A directory of its own for one test, removed after it. */
export async function scratchDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-test-"));
  context.after(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/** A Node process that runs a program beside this file and says lines; killed after the test. */
export class Child {
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string) => void)[] = [];
  readonly #exited: Promise<unknown>;

  constructor(context: TestContext, program: string, directory: string) {
    this.#process = spawn(process.execPath, [resolve(import.meta.dirname, program), directory], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#exited = once(this.#process, "exit");
    context.after(() => this.kill());
    const { stdout } = this.#process;
    if (stdout === null) throw new Error("the child has a pipe for its output");
    createInterface(stdout).on("line", (line) => {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#lines.push(line);
      else waiting(line);
    });
  }

  /** The next line it says; lines said in between wait. */
  line(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    return new Promise((said) => this.#waiting.push(said));
  }

  /** Ends it as a power cut would end the process: nothing is flushed or released by itself. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  /** Every line said and not yet taken; complete once it has been killed. */
  rest(): readonly string[] {
    return this.#lines;
  }
}
