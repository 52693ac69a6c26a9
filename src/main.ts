/** The process door: checks the Node version, then runs one command. */
import { once } from "node:events";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 11)) {
  process.stderr.write(
    `millrace needs Node.js 24.11 or newer; this is ${process.versions.node}. ` +
      "In a clone, ./bin/millrace and npm start bring their own.\n",
  );
  process.exit(1);
}

// Loaded late: an old Node would otherwise stumble over the syntax before it can say so.
const [
  { runCli },
  { processEnvironment },
  { assertCanListen, startHttpServer },
  { systemClock },
  { limits },
  { version },
] = await Promise.all([
  import("./cli/cli.ts"),
  import("./broker/config.ts"),
  import("./http/server.ts"),
  import("./kernel/clock.ts"),
  import("./kernel/limits.ts"),
  import("./kernel/version.ts"),
]);

let isServing = false;

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
    startHttpServer,
    assertCanListen,
    untilAskedToStop,
    announce: (line) => void process.stdout.write(`${line}\n`),
  },
});

// A part of a broker that was left behind when it did not stop must not keep the process.
if (isServing) systemClock.after(limits.stopExitMs, () => process.exit());
