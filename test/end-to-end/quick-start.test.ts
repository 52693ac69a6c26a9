/** The README's quick start, run as written; only the addresses are those of this test's broker. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import {
  eventually,
  root,
  startBrokerProcess,
  temporaryDirectory,
} from "../support/broker-process.ts";

const run = promisify(execFile);

/** The shell blocks of one section, without the indentation of a list. */
function shellBlocks(markdown: string, heading: string): string[] {
  const section = markdown.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  return [...section.matchAll(/^( *)```sh\n([\s\S]*?)^ *```/gm)].map(
    ([, indent = "", block = ""]) =>
      block
        .split("\n")
        .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line))
        .join("\n")
        .trim(),
  );
}

test("the quick start of the README works letter for letter", async () => {
  await using directory = await temporaryDirectory();
  const readme = await readFile(path.join(root, "README.md"), "utf8");
  const [start, ...commands] = shellBlocks(readme, "Quick start");
  assert.equal(start, "npm start");
  assert.equal(commands.length, 3);
  const broker = await startBrokerProcess({
    dataDir: directory.path,
    verb: "dev",
    flags: ["--demo-port", "0"],
  });
  try {
    const consumer = await demoConsumerUrl(() => broker.output());
    const outputs: string[] = [];
    for (const command of commands) {
      const here = command
        .replaceAll("http://127.0.0.1:8080", broker.url)
        .replaceAll("http://127.0.0.1:8081", consumer);
      const { stdout } = await run("sh", ["-c", here], {
        cwd: root,
        env: { ...process.env, MILLRACE_URL: broker.url },
      });
      outputs.push(stdout);
      if (outputs.length === 2) {
        await eventually(
          () => broker.output().includes("demo consumer received"),
          () => broker.output(),
        );
      }
    }
    assert.match(outputs[1] ?? "", /^HTTP\/1\.1 202 /);
    assert.match(
      broker.output(),
      /GitHub user<[\w-]+> just stared your repo<[\w-]+>\. Current number of stars: \d+\./,
    );
    await eventually(
      async () => {
        const { stdout } = await run("sh", ["-c", commands[2] ?? ""], {
          cwd: root,
          env: { ...process.env, MILLRACE_URL: broker.url },
        });
        return /delivered +1\n/.test(stdout);
      },
      () => "status does not show the delivery",
    );
  } finally {
    assert.equal(await broker.stop(), 0);
  }
});

test("npm start prints the commands of the README", async () => {
  await using directory = await temporaryDirectory();
  const readme = await readFile(path.join(root, "README.md"), "utf8");
  const [, ...commands] = shellBlocks(readme, "Quick start");
  const broker = await startBrokerProcess({
    dataDir: directory.path,
    verb: "dev",
    flags: ["--demo-port", "0"],
  });
  try {
    const consumer = await demoConsumerUrl(() => broker.output());
    const printed = flat(broker.output()).replaceAll(` --url ${broker.url}`, "");
    for (const command of commands) {
      const wanted = flat(command)
        .replaceAll("http://127.0.0.1:8080", broker.url)
        .replaceAll("http://127.0.0.1:8081", consumer);
      assert.ok(printed.includes(wanted), `dev does not print: ${wanted}`);
    }
  } finally {
    await broker.stop();
  }
});

function flat(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

async function demoConsumerUrl(output: () => string): Promise<string> {
  const found = (): string | undefined =>
    /demo consumer at (http:\/\/[^\s]+) are ready/.exec(output())?.[1];
  await eventually(
    () => found() !== undefined && output().includes("subscription status"),
    () => output(),
  );
  return found() ?? "";
}
