/** A broker process that is killed again and again under load, and what it owes after each death. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { SeededRandom } from "../../src/testing/testing.ts";
import type { BrokerProcess } from "../support/broker-process.ts";
import {
  eventually,
  root,
  sendJson,
  startBrokerProcess,
  temporaryDirectory,
} from "../support/broker-process.ts";
import type { Status } from "./actors.ts";
import { assertAddsUp, playLife, Stage } from "./actors.ts";
import { BusBook, Lives, median, SubscriptionBook, testEvent } from "./ledger.ts";
import type { Stored } from "./readback.ts";
import { assertKept, assertKeptFor, readBack } from "./readback.ts";
import type { Mood } from "./sinks.ts";
import { Sink } from "./sinks.ts";

const SHORT_MAX_AGE_MS = 2000;
/** F1: from the start of the process to its first answer. */
const READY_MS_MAX = 2000;
/** F27. */
const STOP_MS_MAX = 10_000;
const DRAIN_MS_MAX = 60_000;

export interface StormOptions {
  readonly dataDir: string;
  readonly seed: number;
  /** How long a life lasts at least and at most. */
  readonly lifeMs: readonly [number, number];
  readonly flags?: readonly string[];
  readonly restMs?: number;
  /** How a life ends: `kill -9`, or SIGTERM. */
  readonly end?: "kill" | "stop";
  /** Whether the end waits until retention has deleted something. */
  readonly waitsForTrim?: boolean;
}

export interface Finding {
  readonly severity: "damage" | "notice";
  readonly where: string;
  readonly what: string;
}

export class Storm implements AsyncDisposable {
  readonly stage: Stage;
  readonly books: ReadonlyMap<string, SubscriptionBook>;
  readonly readyMs: number[] = [];
  readonly #options: StormOptions;
  readonly #random: SeededRandom;
  readonly #sink: Sink;
  readonly #mortal: Sink;
  #broker: BrokerProcess | undefined;
  #checkedTo = 0;

  private constructor(options: StormOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    const lives = new Lives();
    const [main, once, short] = ["main", "once", "short"].map((name) => new BusBook(name));
    assert.ok(main !== undefined && once !== undefined && short !== undefined);
    this.stage = new Stage({ random: this.#random, lives, main, once, short });
    this.stage.restMs = options.restMs ?? 8;
    const book = (name: string, bus: BusBook): [string, SubscriptionBook] => [
      name,
      new SubscriptionBook(name, bus, lives, { isSought: name === "seeker" }),
    ];
    this.books = new Map([
      ...["all", "moody", "mortal", "seeker"].map((name) => book(name, main)),
      book("short", short),
      book("once", once),
    ]);
    this.#sink = new Sink(this.#random);
    this.#mortal = new Sink(this.#random);
  }

  static async begin(options: StormOptions): Promise<Storm> {
    const storm = new Storm(options);
    await storm.#sink.start();
    await storm.#mortal.start();
    const broker = await storm.#start();
    const retention = { maxAge: `${SHORT_MAX_AGE_MS}ms` };
    await sendJson("PUT", `${broker.url}/v1/buses/main`, {});
    await sendJson("PUT", `${broker.url}/v1/buses/once`, { deduplication: { window: "1h" } });
    // No id comes twice there: it has keys so that each new segment leaves a list of them behind.
    const deduplication = { window: `${SHORT_MAX_AGE_MS}ms` };
    await sendJson("PUT", `${broker.url}/v1/buses/short`, { retention, deduplication });
    for (const name of storm.books.keys()) await storm.#subscribe(broker, name);
    return storm;
  }

  /** Lives so often, then comes to rest; a failure says what the broker had to say. */
  async run(rounds: number): Promise<void> {
    try {
      for (let round = 0; round < rounds; round++) await this.#live();
      await this.#settle();
    } catch (error) {
      const said = this.#broker?.output() ?? "nothing";
      throw new Error(`in life ${this.stage.lives.current}; the broker said:\n${said}`, {
        cause: error,
      });
    }
  }

  /** One life: load, a death at a random moment, a start, and everything that must hold then. */
  async #live(): Promise<void> {
    const broker = this.#broker ?? (await this.#start());
    const { stage } = this;
    const load = playLife(stage, broker.url);
    // Whatever an actor finds wrong must not go unhandled while the others are waited for.
    load.catch(() => undefined);
    const mortal = this.#mortalLife();
    await this.#momentToDie();
    await this.#end(broker);
    await Promise.all([load, mortal.end()]);
    await Promise.all([this.#sink.quiet(), this.#mortal.quiet()]);
    assert.deepEqual(stage.problems, [], broker.output());
    stage.lives.begin();
    // A process more for each round: every second time is often enough.
    if (stage.lives.current % 2 === 1) await this.#assertVerified();
    await this.#owesNothingAfter(await this.#start());
  }

  async #assertVerified(): Promise<void> {
    const findings = await this.verify();
    const isStrict = !(this.#options.flags ?? []).includes("--fsync");
    assert.ok(!isStrict || !findings.some(({ what }) => jumped.test(what)), "no offset is skipped");
    if (this.#options.end === "stop") assert.deepEqual(findings, []);
    for (const finding of findings) assertExpectedAfterKill(finding);
  }

  async #end(broker: BrokerProcess): Promise<void> {
    const { lives } = this.stage;
    this.#broker = undefined;
    if (this.#options.end !== "stop") {
      lives.die();
      await broker.kill();
      return;
    }
    const began = performance.now();
    assert.equal(await broker.stop(), 0, broker.output());
    const tookMs = performance.now() - began;
    assert.ok(tookMs < STOP_MS_MAX, `the stop took ${tookMs} ms`);
    lives.stop();
  }

  /** The last life: all consumers are well, nobody publishes, and everything comes to rest. */
  async #settle(): Promise<void> {
    const broker = this.#broker ?? (await this.#start());
    this.#sink.isHealed = true;
    this.#mortal.isHealed = true;
    const { main, once } = this.stage;
    await eventually(
      async () =>
        ((await sendJson("GET", `${broker.url}/v1/buses/main/delayed`)) as []).length === 0,
      () => `delayed events are left\n${broker.output()}`,
    );
    // Before the answer, because what it asks for may be on its way earlier.
    this.books.get("seeker")?.successes.clear();
    await sendJson("POST", `${broker.url}/v1/subscriptions/seeker/seek`, { to: "earliest" });
    const stored = await readBack(broker.url, "main");
    assertKept(main, stored);
    assertDelayedOnce(main, stored);
    const kept = await readBack(broker.url, "once");
    assertKept(once, kept);
    for (const name of this.books.keys()) await this.#assertSettled(broker, name);
    for (const name of ["all", "moody", "mortal", "seeker"]) {
      await this.#assertDelivered(broker, name, stored);
    }
    await this.#assertDelivered(broker, "once", kept);
    await this.#assertShort(broker);
    this.#assertRepeatsAreBounded();
    assert.equal(await broker.stop(), 0);
    this.#broker = undefined;
    const left = (await this.verify()).filter(({ what }) => !jumped.test(what));
    assert.deepEqual(left, [], "a clean stop leaves nothing to say");
  }

  /** P2: only what settled shortly before a crash may be sent again. */
  #assertRepeatsAreBounded(): void {
    for (const book of this.books.values()) {
      assert.deepEqual(book.wrong, [], book.name);
      const late = book.repeats.filter(({ ageMs, allowedMs }) => ageMs > allowedMs);
      assert.deepEqual(late, [], `${book.name}: settled long before the crash, and sent again`);
    }
    // One slow moment excuses a single commit. It does not excuse most of them, over several lives.
    if (this.stage.lives.current < 3) return;
    const repeats = [...this.books.values()].flatMap((book) => book.repeats);
    const usual = median(repeats.map(({ ageMs, typicalMs }) => ageMs - typicalMs));
    assert.ok(usual <= 100, `half of the repeats had settled ${usual} ms and more before`);
  }

  /** `millrace data verify`, as its user calls it. */
  async verify(): Promise<readonly Finding[]> {
    const args = ["src/main.ts", "data", "verify", "--output", "json"];
    const child = spawn(process.execPath, [...args, "--data-dir", this.#options.dataDir], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await once(child, "close");
    return (JSON.parse(text) as { findings: Finding[] }).findings;
  }

  summary(): string {
    const { main, once, short } = this.stage;
    const repeats = [...this.books.values()].flatMap((book) => book.repeats);
    const oldest = Math.max(0, ...repeats.map(({ ageMs }) => ageMs));
    const usual = median(repeats.map(({ ageMs }) => ageMs));
    const sent = [...this.books.values()].reduce((sum, book) => sum + book.successes.size, 0);
    return (
      `${main.acknowledged.size} + ${once.acknowledged.size} + ${short.acknowledged.size} acknowledged, ` +
      `${main.delayed.size} delayed (${main.cancelled.size} cancelled), ${sent} delivered, ` +
      `${repeats.length} repeats, settled ${Math.round(usual)} (at most ${Math.round(oldest)}) ms before, ` +
      `${this.stage.seeksAsked} seeks, ready in at most ${Math.round(Math.max(...this.readyMs))} ms`
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker?.kill();
    await this.#sink[Symbol.asyncDispose]();
    await this.#mortal[Symbol.asyncDispose]();
  }

  async #start(): Promise<BrokerProcess> {
    const { dataDir, flags = [] } = this.#options;
    const began = performance.now();
    const broker = await startBrokerProcess({
      dataDir,
      flags: ["--allow-private-sinks", ...flags],
    });
    this.#broker = broker;
    this.readyMs.push(performance.now() - began);
    return broker;
  }

  async #subscribe(broker: BrokerProcess, name: string): Promise<void> {
    const book = this.books.get(name);
    assert.ok(book !== undefined);
    const mood: Mood = name === "moody" || name === "short" ? "moody" : "steady";
    await sendJson("PUT", `${broker.url}/v1/subscriptions/${name}`, {
      bus: book.bus.name,
      protocol: "HTTP",
      sink: (name === "mortal" ? this.#mortal : this.#sink).add(book, mood),
      filters: name === "moody" ? [{ exact: { type: "com.example.wanted" } }] : [],
      config: { timeoutMs: 2000, retry: { minDelayMs: 20, maxDelayMs: 200 } },
    });
  }

  #mortalLife(): { end(): Promise<void> } {
    let isOver = false;
    const run = (async () => {
      while (!isOver) {
        await wait(100 + this.#random.next() * 400);
        await this.#mortal.die();
        await wait(this.#random.next() * 300);
        await this.#mortal.start();
      }
    })();
    return {
      end: () => {
        isOver = true;
        return run;
      },
    };
  }

  /** At a random time, in the middle of a seek, or while the files of a bus change. */
  async #momentToDie(): Promise<void> {
    const [from, to] = this.#options.lifeMs;
    await wait(from + this.#random.next() * (to - from));
    const kind = this.#random.next();
    if (kind < 0.4) return;
    const moment = new AbortController();
    const over = (): void => moment.abort();
    const patience = AbortSignal.any([moment.signal, AbortSignal.timeout(to)]);
    const logs = join(this.#options.dataDir, "logs");
    if (kind < 0.65) this.stage.onSeek = over;
    const directories = kind < 0.65 ? [] : await readdir(logs);
    // A new segment, keys behind a sealed one, or a trim: each begins or ends with a name.
    for (const directory of directories.filter((name) => name.startsWith("short"))) {
      const onChange = (change: string): void => (change === "rename" ? over() : undefined);
      watch(join(logs, directory), { signal: patience }, onChange);
    }
    if (!patience.aborted) await once(patience, "abort");
    this.stage.onSeek = () => undefined;
    await wait(this.#random.next() * 6);
  }

  async #owesNothingAfter(broker: BrokerProcess): Promise<void> {
    const { stage } = this;
    const tookMs = this.readyMs.at(-1) ?? 0;
    if (tookMs > READY_MS_MAX) await this.#assertReadySoon(tookMs);
    for (const name of this.books.keys()) assertAddsUp(await statusOf(broker, name), name);
    const { generation } = await statusOf(broker, "seeker");
    assert.ok(generation >= stage.generation && generation <= 1 + stage.seeksAsked);
    const stored = await readBack(broker.url, "main", this.#checkedTo);
    assertKept(stage.main, stored, this.#checkedTo);
    this.#checkedTo = stored.next;
    assertKept(stage.once, await readBack(broker.url, "once"));
    assertKeptFor(stage.short, await readBack(broker.url, "short"), SHORT_MAX_AGE_MS);
  }

  /** On a machine that is busy with other things an empty directory says what a start costs now. */
  async #assertReadySoon(tookMs: number): Promise<void> {
    await using directory = await temporaryDirectory();
    const began = performance.now();
    const empty = await startBrokerProcess({ dataDir: directory.path });
    const emptyMs = performance.now() - began;
    await empty.kill();
    // Twice, because what the machine is busy with comes and goes from one start to the next.
    const allowedMs = READY_MS_MAX + 2 * emptyMs;
    assert.ok(tookMs < allowedMs, `${tookMs} ms; an empty directory: ${emptyMs} ms`);
  }

  async #assertSettled(broker: BrokerProcess, name: string): Promise<void> {
    let status: Status | undefined;
    await eventually(
      async () => {
        status = await statusOf(broker, name);
        const { pending, inFlight, parked } = status.counters;
        return pending === 0 && inFlight === 0 && parked === 0;
      },
      () => `${name}: ${JSON.stringify(status)}\n${broker.output()}`,
      DRAIN_MS_MAX,
    );
  }

  /** P2: every number is what the books say, for those who were not moved and lost nothing. */
  async #assertDelivered(broker: BrokerProcess, name: string, stored: Stored): Promise<void> {
    const book = this.books.get(name);
    assert.ok(book !== undefined);
    const isFiltered = name === "moody";
    const wanted = [...stored.ids.values()].filter(
      (id) => !isFiltered || testType(id) === "com.example.wanted",
    );
    const missing = wanted.filter((id) => !book.successes.has(id));
    assert.deepEqual(missing, [], `${name} was never sent these`);
    const status = await statusOf(broker, name);
    assertAddsUp(status, name);
    assert.equal(status.counters["delivered"], wanted.length, name);
    assert.equal(status.counters["filtered"], stored.ids.size - wanted.length, name);
    assert.equal(status.next - status.start, stored.next, name);
    // Offsets that were jumped over hold nothing.
    assert.equal(status.counters["expired"], stored.next - stored.ids.size, name);
  }

  /** Retention may take what nobody had yet, and then it is counted. */
  async #assertShort(broker: BrokerProcess): Promise<void> {
    const { short } = this.stage;
    const book = this.books.get("short");
    assert.ok(book !== undefined);
    const isTrimmed = async (): Promise<boolean> =>
      !(await readBack(broker.url, "short")).ids.has(0);
    await eventually(
      async () => this.#options.waitsForTrim !== true || (await isTrimmed()),
      () => "retention has deleted nothing",
    );
    const status = await statusOf(broker, "short");
    assertAddsUp(status, "short");
    const { delivered = 0, expired = 0, dead = 0, discarded = 0 } = status.counters;
    const missing = [...short.acknowledged.values()].filter((id) => !book.successes.has(id));
    assert.ok(missing.length <= expired, `${missing.length} missing, ${expired} expired`);
    assert.ok(delivered <= book.successes.size && dead === 0 && discarded === 0);
  }
}

function testType(id: string): string {
  return testEvent(id).type;
}

async function statusOf(broker: BrokerProcess, name: string): Promise<Status> {
  return (await sendJson("GET", `${broker.url}/v1/subscriptions/${name}/status`)) as Status;
}

/** P1: a delayed event is on the bus once, a cancelled one never; assertKept looks for doubles. */
function assertDelayedOnce(book: BusBook, stored: Stored): void {
  const there = new Set(stored.ids.values());
  for (const id of book.delayed.keys()) {
    if (book.cancelled.has(id)) assert.ok(!there.has(id), `${id} was cancelled and came`);
    else assert.ok(there.has(id) || book.cancelAsked.has(id), `${id} never came`);
  }
}

/** What a kill leaves behind and the next start copes with; anything else is a defect. */
const expectedAfterKill = [
  /never provably acknowledged/,
  /a segment that was being made when the broker died/,
  /list of deduplication keys/,
];
/** Where acknowledgements do not wait for a sync a kill leaves a gap for good, and it is said. */
const jumped = /never given: the log jumped over them after an unclean stop/;

function assertExpectedAfterKill(finding: Finding): void {
  const text = `${finding.where}: ${finding.what}`;
  assert.equal(finding.severity, "notice", text);
  assert.ok(
    [...expectedAfterKill, jumped].some((pattern) => pattern.test(text)),
    text,
  );
}
