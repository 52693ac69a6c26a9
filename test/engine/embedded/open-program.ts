/** Opens the engine on the directory given, says how that went and stays until it is killed. */
import { createEmbeddedEngine } from "../../../src/engine/engines.ts";
import { systemClock } from "../../../src/kernel/clock.ts";
import { toBrokerError } from "../../../src/kernel/errors.ts";
import { silentLogger } from "../../../src/kernel/logger.ts";

const [, , dataDir = ""] = process.argv;
const engine = createEmbeddedEngine({ dataDir, clock: systemClock, logger: silentLogger });
try {
  await engine.open();
  process.stdout.write("open\n");
  // Stays for as long as somebody holds the other end of its input.
  process.stdin.resume();
} catch (thrown) {
  const { code, message } = toBrokerError(thrown);
  process.stdout.write(`${code} ${message}\n`);
}
