/**
 * F2: the power is cut. A broker works on an ext4 of its own in a loop-mounted file; the file system
 * is shut down under it without flushing anything, as a machine that loses power would leave it;
 * then it is mounted again and everything acknowledged is looked for.
 *
 *   node scripts/power-cut.ts [--cycles 10] [--fsync always|interval] [--seed 1]
 *
 * Needs root, losetup, mkfs.ext4, and xfs_io or perl; says so and ends well where they are missing.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, truncate, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { limits } from "../src/kernel/limits.ts";
import { SeededRandom } from "../src/testing/testing.ts";
import { publishUntilGone } from "../test/crash/actors.ts";
import { BusBook, Lives, SubscriptionBook } from "../test/crash/ledger.ts";
import { readBack } from "../test/crash/readback.ts";
import type { Stored } from "../test/crash/readback.ts";
import { Sink } from "../test/crash/sinks.ts";
import { eventually, sendJson, startBrokerProcess } from "../test/support/broker-process.ts";

const IMAGE_BYTES = 2 ** 30;
/** `_IOR('X', 125, __u32)`, and the flag that flushes neither data nor journal. */
const SHUTDOWN_IOCTL = 0x80_04_58_7d;
const NO_FLUSH = 2;

type Mode = "always" | "interval";

interface Figures {
  cycles: number;
  acknowledged: number;
  lost: number;
  /** How long before the cut the oldest lost event had been acknowledged. */
  oldestLostMs: number;
  readyMsMax: number;
}

class CutDisk {
  readonly #image: string;
  readonly mount: string;

  private constructor(directory: string) {
    this.#image = join(directory, "image");
    this.mount = join(directory, "mount");
  }

  static async make(directory: string): Promise<CutDisk> {
    const disk = new CutDisk(directory);
    await writeFile(disk.#image, "");
    await truncate(disk.#image, IMAGE_BYTES);
    await mkdir(disk.mount);
    run("mkfs.ext4", ["-q", "-F", disk.#image]);
    disk.plugIn();
    return disk;
  }

  plugIn(): void {
    run("mount", ["-o", "loop", this.#image, this.mount]);
  }

  cut(): void {
    if (has("xfs_io")) run("xfs_io", ["-x", "-c", "shutdown", this.mount]);
    else run("perl", ["-e", perlShutdown, this.mount]);
  }

  unplug(): void {
    run("umount", [this.mount]);
  }
}

const perlShutdown = `sysopen(my $d, $ARGV[0], 0) or die "$!";
my $flags = pack("L", ${NO_FLUSH});
ioctl($d, ${SHUTDOWN_IOCTL}, $flags) or die "shutdown: $!";`;

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
}

function has(command: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${command}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function whatIsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return "root";
  const missing = ["mount", "umount", "losetup", "mkfs.ext4"].find((command) => !has(command));
  if (missing !== undefined) return missing;
  return has("xfs_io") || has("perl") ? undefined : "xfs_io or perl";
}

async function cutAgainAndAgain(
  mode: Mode,
  options: { readonly cycles: number; readonly seed: number },
): Promise<Figures> {
  const random = new SeededRandom(options.seed);
  const directory = await mkdtemp(join(tmpdir(), "millrace-power-"));
  const disk = await CutDisk.make(directory);
  const lives = new Lives();
  const book = new BusBook("main");
  const sink = new Sink(random);
  const delivered = new SubscriptionBook("all", book, lives, { isSought: true });
  const figures = { cycles: 0, acknowledged: 0, lost: 0, oldestLostMs: 0, readyMsMax: 0 };
  const ackedAt = new Map<number, number>();
  const lost = new Set<number>();
  let ids = 0;
  const nextId = (): string => `event-${ids++}`;
  const start = (): ReturnType<typeof startBrokerProcess> =>
    startBrokerProcess({
      dataDir: join(disk.mount, "data"),
      flags: ["--allow-private-sinks", "--fsync", mode],
    });
  let broker: Awaited<ReturnType<typeof start>> | undefined;
  try {
    await sink.start();
    broker = await start();
    await sendJson("PUT", `${broker.url}/v1/buses/main`, {});
    await sendJson("PUT", `${broker.url}/v1/subscriptions/all`, {
      bus: "main",
      protocol: "HTTP",
      sink: sink.add(delivered, "steady"),
    });
    for (; figures.cycles < options.cycles; figures.cycles++) {
      const note = (offset: number): void => void ackedAt.set(offset, performance.now());
      const load = publishUntilGone({ url: broker.url, book, random, lives, nextId, note });
      load.catch(() => undefined);
      await wait(200 + random.next() * 2500);
      disk.cut();
      const cutAt = performance.now();
      // What the broker says between the cut and its death must be true as well.
      await wait(random.next() * 200);
      await broker.kill();
      await load;
      await sink.quiet();
      lives.begin();
      disk.unplug();
      disk.plugIn();
      const began = performance.now();
      broker = await start();
      figures.readyMsMax = Math.max(figures.readyMsMax, performance.now() - began);
      const stored = await readBack(broker.url, "main");
      for (const offset of missingOf(book, stored)) {
        if (lost.has(offset)) continue;
        lost.add(offset);
        const age = cutAt - (ackedAt.get(offset) ?? Number.NEGATIVE_INFINITY);
        figures.oldestLostMs = Math.max(figures.oldestLostMs, age);
      }
    }
    await assertAllDelivered(broker.url, delivered);
    figures.acknowledged = book.acknowledged.size;
    figures.lost = lost.size;
    assert.equal(await broker.stop(), 0);
    return figures;
  } finally {
    await broker?.kill();
    await sink[Symbol.asyncDispose]();
    disk.unplug();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Offsets whose event is gone. One that holds another event than was promised ends the run. */
function missingOf(book: BusBook, stored: Stored): readonly number[] {
  const missing: number[] = [];
  for (const [offset, id] of book.acknowledged) {
    const found = stored.ids.get(offset);
    if (found === undefined) missing.push(offset);
    else assert.equal(found, id, `offset ${offset} was given twice`);
  }
  return missing;
}

async function assertAllDelivered(url: string, book: SubscriptionBook): Promise<void> {
  const stored = await readBack(url, "main");
  await eventually(
    () => [...stored.ids.values()].every((id) => book.successes.has(id)),
    () => `${book.successes.size} of ${stored.ids.size} delivered`,
  );
  let status = { start: 0, next: 0, counters: {} as Record<string, number> };
  await eventually(
    async () => {
      status = (await sendJson("GET", `${url}/v1/subscriptions/all/status`)) as typeof status;
      return status.counters["pending"] === 0 && status.counters["inFlight"] === 0;
    },
    () => JSON.stringify(status),
  );
  const sum = Object.values(status.counters).reduce((total, count) => total + count, 0);
  assert.equal(sum, status.next - status.start, JSON.stringify(status));
  assert.deepEqual(book.wrong, []);
}

/** With `interval` a sync is due each interval and takes as long as the disk needs. */
function assertKept(mode: Mode, figures: Figures): void {
  if (mode === "always") assert.equal(figures.lost, 0, "always: nothing acknowledged may be lost");
  const allowedMs = 2 * limits.fsyncIntervalMs;
  assert.ok(
    figures.oldestLostMs <= allowedMs,
    `${mode}: lost ${figures.oldestLostMs} ms after its 202`,
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cycles: { type: "string", default: "10" },
      fsync: { type: "string" },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    },
  });
  const missing = whatIsMissing();
  if (missing !== undefined) {
    process.stdout.write(`skipped: cutting the power needs ${missing}\n`);
    return;
  }
  const cycles = Number(values.cycles);
  const seed = Number(values.seed);
  const modes: readonly Mode[] =
    values.fsync === "always" || values.fsync === "interval"
      ? [values.fsync]
      : ["always", "interval"];
  for (const mode of modes) {
    process.stdout.write(`fsync ${mode}: ${cycles} power cuts, --seed ${seed}\n`);
    const figures = await cutAgainAndAgain(mode, { cycles, seed });
    process.stdout.write(
      `  ${figures.acknowledged} acknowledged, ${figures.lost} lost` +
        (figures.lost > 0
          ? `, the oldest ${Math.round(figures.oldestLostMs)} ms after its 202`
          : "") +
        `; ready again in at most ${Math.round(figures.readyMsMax)} ms\n`,
    );
    assertKept(mode, figures);
  }
}

await main();
