/** Those who use the broker while it lives, each until it is gone. */
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import type { Random } from "../../src/kernel/random.ts";
import type { Answer, Request } from "./doors.ts";
import { Door } from "./doors.ts";
import type { BusBook, Lives, TestEvent } from "./ledger.ts";
import { testEvent } from "./ledger.ts";
import { readPage } from "./readback.ts";

/** What all actors of all lives share. */
export class Stage {
  readonly random: Random;
  readonly lives: Lives;
  readonly main: BusBook;
  /** Stores an event once. */
  readonly once: BusBook;
  /** Keeps events for two seconds. */
  readonly short: BusBook;
  readonly onceOffsets: Map<string, number> = new Map();
  /** Answers that nobody should get. */
  readonly problems: string[] = [];
  /** The generation that the last answered seek began. */
  generation = 1;
  seeksAsked = 0;
  /** Milliseconds that each publisher rests at most between two requests. */
  restMs = 8;
  onSeek: () => void = () => undefined;
  #ids = 0;

  constructor(parts: Pick<Stage, "random" | "lives" | "main" | "once" | "short">) {
    ({
      random: this.random,
      lives: this.lives,
      main: this.main,
      once: this.once,
      short: this.short,
    } = parts);
  }

  nextId(): string {
    return `event-${this.#ids++}`;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random.next() * items.length)];
  }

  expect(answer: Answer, statuses: readonly number[], what: string): boolean {
    if (statuses.includes(answer.status)) return true;
    this.problems.push(`${what}: ${answer.status} ${answer.text.slice(0, 300)}`);
    return false;
  }
}

/** Publishers and nothing else; `note` hears of each offset when it is acknowledged. */
export async function publishUntilGone(options: {
  readonly url: string;
  readonly book: BusBook;
  readonly random: Random;
  readonly lives: Lives;
  readonly nextId: () => string;
  readonly note: (offset: number) => void;
}): Promise<void> {
  const { url, book, random, lives, nextId, note } = options;
  const publish = async (): Promise<void> => {
    const door = new Door(url);
    try {
      for (;;) {
        const event = testEvent(nextId());
        const answer = await lives.timed(() => door.send(binary(book, event)));
        if (answer === undefined) return;
        if (answer.status === 202) {
          const offset = Number(answer.headers["millrace-offset"]);
          book.acknowledge(offset, event.id);
          note(offset);
        }
        await wait(random.next() * 4);
      }
    } finally {
      door.close();
    }
  };
  await Promise.all(Array.from({ length: 12 }, publish));
}

/** Starts everybody; resolves when the broker is gone and all of them have noticed. */
export async function playLife(stage: Stage, url: string): Promise<void> {
  const { main, once, short } = stage;
  const acts: ((door: Door) => Promise<boolean>)[] = [
    ...Array.from({ length: 4 }, () => single(stage, main)),
    batches(stage, main),
    single(stage, short),
    delayed(stage, main),
    canceller(stage, main),
    repeater(stage, once),
    repeater(stage, once),
    seeker(stage),
    watcher(stage),
    reader(main),
  ];
  await Promise.all(
    acts.map(async (act) => {
      const door = new Door(url);
      try {
        while (await act(door)) await wait(stage.random.next() * stage.restMs);
      } finally {
        door.close();
      }
    }),
  );
}

function binary(bus: BusBook, event: TestEvent, headers: Record<string, string> = {}): Request {
  bus.send(event.id);
  return {
    method: "POST",
    path: `/v1/buses/${bus.name}/events`,
    headers: {
      "ce-specversion": "1.0",
      "ce-id": event.id,
      "ce-source": "/crash-test",
      "ce-type": event.type,
      "content-type": event.contentType,
      ...headers,
    },
    body: event.data,
  };
}

function structured({ id, type, contentType, data }: TestEvent): string {
  const head = `"specversion":"1.0","id":"${id}","source":"/crash-test","type":"${type}"`;
  const kind = `"datacontenttype":"${contentType}"`;
  if (contentType === "application/json") return `{${head},${kind},"data":${data.toString()}}`;
  if (contentType === "text/plain") {
    return `{${head},${kind},"data":${JSON.stringify(data.toString())}}`;
  }
  return `{${head},${kind},"data_base64":"${data.toString("base64")}"}`;
}

type Act = (door: Door) => Promise<boolean>;

/** One event after the other: each gets a higher offset than the one before. */
function single(stage: Stage, bus: BusBook): Act {
  let last = -1;
  return async (door) => {
    const event = testEvent(stage.nextId());
    const answer = await stage.lives.timed(() => door.send(binary(bus, event)));
    if (answer === undefined) return false;
    if (stage.expect(answer, [202], "a publish")) {
      const offset = Number(answer.headers["millrace-offset"]);
      assert.ok(offset > last, `${offset} after ${last}`);
      bus.acknowledge(offset, event.id);
      last = offset;
    }
    return true;
  };
}

function batches(stage: Stage, bus: BusBook): Act {
  return async (door) => {
    const count = 2 + Math.floor(stage.random.next() * 30);
    const events = Array.from({ length: count }, () => testEvent(stage.nextId()));
    for (const { id } of events) bus.send(id);
    const answer = await stage.lives.timed(() =>
      door.send({
        method: "POST",
        path: `/v1/buses/${bus.name}/events`,
        headers: { "content-type": "application/cloudevents-batch+json" },
        body: `[${events.map(structured).join(",")}]`,
      }),
    );
    if (answer === undefined) return false;
    if (stage.expect(answer, [200], "a batch")) {
      const { offsets } = JSON.parse(answer.text) as { offsets: number[] };
      assert.equal(offsets.length, events.length);
      offsets.forEach((offset, index) => {
        assert.equal(offset, (offsets[0] ?? -1) + index, "a batch lies together");
        bus.acknowledge(offset, events[index]?.id ?? "");
      });
    }
    await wait(stage.random.next() * 40);
    return true;
  };
}

function delayed(stage: Stage, bus: BusBook): Act {
  return async (door) => {
    const event = testEvent(stage.nextId());
    const delay = `${1 + Math.floor(stage.random.next() * 1200)}ms`;
    const answer = await door.send(binary(bus, event, { "millrace-delay": delay }));
    if (answer === undefined) return false;
    if (stage.expect(answer, [202], "a delayed publish")) {
      bus.delayed.set(event.id, String(answer.headers["millrace-delayed"]));
    }
    return true;
  };
}

function canceller(stage: Stage, bus: BusBook): Act {
  return async (door) => {
    await wait(30);
    const recent = [...bus.delayed].slice(-40).filter(([id]) => !bus.cancelAsked.has(id));
    const [id, delay] = stage.pick(recent) ?? [];
    if (id === undefined || delay === undefined) return true;
    bus.cancelAsked.add(id);
    const path = `/v1/buses/${bus.name}/delayed/${delay}`;
    const answer = await door.send({ method: "DELETE", path });
    if (answer === undefined) return false;
    stage.expect(answer, [200, 404], "a cancellation");
    if (answer.status === 200) bus.cancelled.add(id);
    return true;
  };
}

/** Publishes again whatever got no answer, and now and then what did. */
function repeater(stage: Stage, bus: BusBook): Act {
  const unanswered = [...bus.sent.keys()].filter((id) => !stage.onceOffsets.has(id));
  return async (door) => {
    const again = unanswered.pop();
    const known =
      again === undefined && stage.random.next() < 0.3
        ? stage.pick([...stage.onceOffsets.keys()].slice(-500))
        : undefined;
    const event = testEvent(again ?? known ?? stage.nextId());
    const answer = await stage.lives.timed(() => door.send(binary(bus, event)));
    if (answer === undefined) return false;
    if (!stage.expect(answer, [202], "a publish with deduplication")) return true;
    const offset = Number(answer.headers["millrace-offset"]);
    assert.equal(offset, stage.onceOffsets.get(event.id) ?? offset, `${event.id} has one offset`);
    if (known !== undefined) {
      assert.equal(answer.headers["millrace-duplicate"], "true", `${event.id} is known`);
    }
    stage.onceOffsets.set(event.id, offset);
    bus.acknowledge(offset, event.id);
    return true;
  };
}

function seeker(stage: Stage): Act {
  return async (door) => {
    await wait(stage.random.next() * 300);
    const highest = Math.max(0, ...[...stage.main.acknowledged.keys()].slice(-1));
    const offset = Math.floor(stage.random.next() * highest);
    const time = new Date(Date.now() - 500).toISOString();
    const to = stage.pick(["earliest", "latest", offset, offset, time]);
    stage.seeksAsked++;
    const sent = door.send({
      method: "POST",
      path: "/v1/subscriptions/seeker/seek",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ to }),
    });
    stage.onSeek();
    const answer = await sent;
    if (answer === undefined) return false;
    if (stage.expect(answer, [200], `a seek to ${to}`)) {
      stage.generation = (JSON.parse(answer.text) as { generation: number }).generation;
    }
    return true;
  };
}

export interface Status {
  readonly state: string;
  readonly generation: number;
  readonly start: number;
  readonly next: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly previous: readonly {
    readonly offsets: number;
    readonly counters: Readonly<Record<string, number>>;
  }[];
}

/** P2 in one place: every offset of every generation is somewhere, once. */
export function assertAddsUp(status: Status, name: string): void {
  const { counters, next, start, previous } = status;
  assert.equal(sumOf(counters), next - start, `${name}: ${JSON.stringify(status)}`);
  for (const [counter, count] of Object.entries(counters)) assert.ok(count >= 0, counter);
  for (const each of previous) assert.equal(sumOf(each.counters), each.offsets, name);
}

function sumOf(counters: Readonly<Record<string, number>>): number {
  return Object.values(counters).reduce((total, count) => total + count, 0);
}

function watcher(stage: Stage): Act {
  return async (door) => {
    await wait(50);
    const name = stage.pick(["all", "moody", "mortal", "seeker", "short"]);
    const answer = await door.send({ path: `/v1/subscriptions/${name}/status` });
    if (answer === undefined) return false;
    if (stage.expect(answer, [200], "a status")) {
      assertAddsUp(JSON.parse(answer.text) as Status, String(name));
    }
    return true;
  };
}

/** What a reader has seen is as binding as what was acknowledged. */
function reader(bus: BusBook): Act {
  let from: number | "latest" = "latest";
  return async (door) => {
    const page = await readPage(door, bus.name, { from, waitMs: 200 });
    if (page === undefined) return false;
    page.events.forEach(({ id }, index) => bus.see(page.offsets[index] ?? -1, id));
    from = page.next;
    return true;
  };
}
