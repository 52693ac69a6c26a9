/** The process door: checks the Node version, then runs one command. */
import { once } from "node:events";
import * as modules from "node:module";
import { join } from "node:path";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 11)) {
  process.stderr.write(
    `millrace needs Node.js 24.11 or newer; this is ${process.versions.node}. ` +
      "In a clone, ./bin/millrace and npm start bring their own.\n",
  );
  process.exit(1);
}

// Half of a start would be the compiling of modules. Node checks what it kept against each file's content
// and goes without where it cannot write; in a clone bin/project-node has chosen the place already.
modules.enableCompileCache(join(import.meta.dirname, "../node_modules/.cache/millrace"));

// Loaded late: an old Node would otherwise stumble over the syntax before it can say so.
const [{ runCli }, { processEnvironment }, { systemClock }, { limits }, { version }] =
  await Promise.all([
    import("./cli/cli.ts"),
    import("./broker/config.ts"),
    import("./kernel/clock.ts"),
    import("./kernel/limits.ts"),
    import("./kernel/version.ts"),
  ]);

let isServing = false;

// `millrace … | head` reads no further: that is no failure. A broker goes on without its reader.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (!isServing) process.exit(0);
  });
}

/** Loaded by the commands that serve, so that the others start faster. */
const http = () => import("./http/server.ts");

async function untilAskedToStop(): Promise<string> {
  isServing = true;
  return Promise.race(
    ["SIGTERM", "SIGINT"].map(async (signal) => {
      await once(process, signal);
      return signal;
    }),
  );
}

process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env: processEnvironment(),
  version,
  serve: {
    startHttpServer: async (broker, options) => (await http()).startHttpServer(broker, options),
    assertCanListen: async (options) => (await http()).assertCanListen(options),
    untilAskedToStop,
    announce(line) {
      process.stdout.write(`${line}\n`);
      // Written when a process ends by itself, which one that is killed never does.
      modules.flushCompileCache();
    },
  },
});

// A part of a broker that was left behind when it did not stop must not keep the process.
if (isServing) systemClock.after(limits.stopExitMs, () => process.exit());
