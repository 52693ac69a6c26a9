/**
 * npm run test:mutants [-- <part of a name>]: does the simulation notice? Each mutant of
 * mutants-list.ts is applied to a copy of the sources, and the simulation runs there. The copy
 * without a mutant must stay green, every other must turn red.
 */
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { mutants } from "./mutants-list.ts";
import type { Edit, Mutant } from "./mutants-list.ts";

const root = resolve(import.meta.dirname, "..");
const copiesAtOnce = 2;
const seedsMax = 400;
const timeoutMs = 240_000;

interface Verdict {
  readonly name: string;
  readonly breaks: string;
  /** Undefined: no seed has noticed. */
  readonly killer: string | undefined;
  readonly reason: string;
  readonly seconds: number;
}

const unchanged: Mutant = { name: "(nothing changed)", breaks: "", edits: [] };

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const chosen = mutants.filter(({ name }) => wanted.every((part) => name.includes(part)));
  // A patch whose text has moved would pass for a mutant that survives, or for one that dies.
  for (const mutant of chosen) for (const edit of mutant.edits) await edited(edit);
  const waiting = [unchanged, ...chosen];
  const verdicts: Verdict[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const verdict = await judge(next);
      verdicts.push(verdict);
      process.stdout.write(`${line(verdict)}\n`);
    }
  };
  await Promise.all(Array.from({ length: copiesAtOnce }, work));
  process.exitCode = report(verdicts, chosen);
}

function report(verdicts: readonly Verdict[], chosen: readonly Mutant[]): number {
  const isGreen = verdicts.some(({ name, killer }) => name === unchanged.name && !killer);
  const survivors = verdicts.filter(({ name, killer }) => name !== unchanged.name && !killer);
  const order = [unchanged, ...chosen].map(({ name }) => name);
  const sorted = verdicts.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  process.stdout.write(
    `\n| mutant | breaks | killed by | seconds | how |\n|---|---|---|---|---|\n`,
  );
  for (const verdict of sorted) process.stdout.write(`${row(verdict)}\n`);
  if (!isGreen) process.stdout.write("\nThe sources fail as they are: see the first line.\n");
  for (const { name } of survivors) process.stdout.write(`\nSurvived: ${name}\n`);
  return isGreen && survivors.length === 0 ? 0 : 1;
}

function line({ name, killer, seconds }: Verdict): string {
  return `${seconds.toFixed(1).padStart(6)} s  ${(killer ?? "survives").padEnd(10)} ${name}`;
}

function row({ name, breaks, killer, seconds, reason }: Verdict): string {
  const how = reason.replaceAll("|", "/").slice(0, 90);
  return `| ${name} | ${breaks} | ${killer ?? "nobody"} | ${seconds.toFixed(1)} | ${how} |`;
}

async function judge(mutant: Mutant): Promise<Verdict> {
  const { name, breaks } = mutant;
  const directory = await mkdtemp(join(tmpdir(), "millrace-mutant-"));
  try {
    for (const folder of ["src", "test/simulation", "package.json"]) {
      await cp(join(root, folder), join(directory, folder), { recursive: true });
    }
    await symlink(join(root, "node_modules"), join(directory, "node_modules"));
    for (const edit of mutant.edits) {
      await writeFile(join(directory, edit.file), await edited(edit, directory));
    }
    const started = performance.now();
    const { killer, reason } = await hunt(directory);
    return { name, breaks, killer, reason, seconds: (performance.now() - started) / 1000 };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The file's text with the edit made. */
async function edited({ file, find, replace }: Edit, directory: string = root): Promise<string> {
  const text = await readFile(join(directory, file), "utf8");
  const parts = text.split(find);
  if (parts.length === 2) return parts.join(replace);
  throw new Error(`${file} holds ${parts.length - 1} times, not once: ${find}`);
}

interface Hunted {
  readonly killer: string | undefined;
  readonly reason: string;
}

function hunt(directory: string): Promise<Hunted> {
  return new Promise((done, fail) => {
    let output = "";
    let errors = "";
    const child = spawn(process.execPath, ["test/simulation/hunt.ts"], {
      cwd: directory,
      env: { ...process.env, MILLRACE_SEED: "1", MILLRACE_SEEDS: String(seedsMax) },
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    child.once("error", fail);
    child.once("exit", (code) => {
      if (code === 0) return done({ killer: undefined, reason: "" });
      if (code === null) return done({ killer: "hang", reason: `no end in ${timeoutMs} ms` });
      const found = output.trim().split("\n").at(-1) ?? "";
      if (!found.startsWith("{")) return fail(new Error(`the hunt broke down: ${errors}`));
      const { seed, reason } = JSON.parse(found) as { seed: number; reason: string };
      return done({ killer: `seed ${seed}`, reason });
    });
  });
}

await main();
