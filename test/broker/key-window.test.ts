import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KeyWindow } from "../../src/broker/key-window.ts";
import { KEY_BYTES } from "../../src/engine/record-facts.ts";

/** A key whose identity and content are the numbers; many identities share their first words. */
function keyOf(identity: number, content = 0): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeUInt32LE(identity % 4, 0);
  key.writeUInt32LE(identity % 3, 4);
  key.writeUInt32LE(identity, 12);
  key.writeUInt32LE(content, 20);
  return key;
}

test("a key is found with its offset, and its content is compared", () => {
  const window = new KeyWindow(10, 1);
  window.add(keyOf(7, 1), 0, { offset: 42, time: 100 });
  assert.deepEqual(window.find(keyOf(7, 1), 0, 100), { offset: 42, hasSameContent: true });
  assert.deepEqual(window.find(keyOf(7, 2), 0, 100), { offset: 42, hasSameContent: false });
  assert.equal(window.find(keyOf(8, 1), 0, 100), undefined);
});

test("a key older than asked for is not found, whether it was dropped yet or not", () => {
  const window = new KeyWindow(10, 1);
  window.add(keyOf(7), 0, { offset: 42, time: 100 });
  assert.equal(window.find(keyOf(7), 0, 101), undefined);
  assert.equal(window.count, 1);
  assert.equal(window.dropOlderThan(101, 5), 1);
  assert.equal(window.count, 0);
});

test("where an identity comes again the newer entry counts, and outlives the older one", () => {
  const window = new KeyWindow(10, 1);
  window.add(keyOf(7, 1), 0, { offset: 1, time: 100 });
  window.add(keyOf(7, 2), 0, { offset: 2, time: 200 });
  assert.deepEqual(window.find(keyOf(7, 2), 0, 0), { offset: 2, hasSameContent: true });
  window.dropOldest();
  assert.deepEqual(window.find(keyOf(7, 2), 0, 0), { offset: 2, hasSameContent: true });
});

test("P7: memory is given back when few keys are left", () => {
  const window = new KeyWindow(100_000, 1);
  for (let key = 0; key < 5000; key++) window.add(keyOf(key), 0, { offset: key, time: key });
  assert.equal(window.dropOlderThan(4990, 100_000), 4990);
  window.shrink();
  for (let key = 4990; key < 5000; key++) {
    assert.equal(window.find(keyOf(key), 0, 0)?.offset, key);
  }
  for (let key = 0; key < 4990; key += 97) assert.equal(window.find(keyOf(key), 0, 0), undefined);
});

/** What a window must do, said in the simplest way. */
class NaiveWindow {
  entries: { identity: number; content: number; offset: number; time: number }[] = [];

  find(identity: number, content: number, since: number): unknown {
    const found = this.entries.findLast((each) => each.identity === identity);
    if (found === undefined || found.time < since) return undefined;
    return { offset: found.offset, hasSameContent: found.content === content };
  }
}

const step = fc.record({
  action: fc.constantFrom("add", "add", "add", "find", "find", "drop", "expire", "shrink"),
  identity: fc.nat({ max: 40 }),
  content: fc.nat({ max: 2 }),
  elapsed: fc.nat({ max: 3 }),
});

test("P7: a window does what a list would do, with never more than its room", (t) => {
  const seed = Number(process.env["MILLRACE_SEED"] ?? Date.now() % 2 ** 31);
  t.diagnostic(`MILLRACE_SEED=${seed}`);
  const property = fc.property(
    fc.integer({ min: 1, max: 30 }),
    fc.integer(),
    fc.array(step, { maxLength: 400 }),
    (keysMax, tableSeed, steps) => {
      const window = new KeyWindow(keysMax, tableSeed);
      const naive = new NaiveWindow();
      let [time, offset] = [0, 0];
      for (const { action, identity, content, elapsed } of steps) {
        time += elapsed;
        if (action === "add") {
          if (window.isFull) {
            window.dropOldest();
            naive.entries.shift();
          }
          window.add(keyOf(identity, content), 0, { offset, time });
          naive.entries.push({ identity, content, offset, time });
          offset += 1;
        } else if (action === "find") {
          const since = time - 10;
          const found = window.find(keyOf(identity, content), 0, since);
          assert.deepEqual(found, naive.find(identity, content, since));
        } else if (action === "drop" && window.count > 0) {
          window.dropOldest();
          naive.entries.shift();
        } else if (action === "expire") {
          window.dropOlderThan(time - 10, 1000);
          naive.entries = naive.entries.filter((each) => each.time >= time - 10);
        } else if (action === "shrink") {
          window.shrink();
        }
        assert.equal(window.count, naive.entries.length);
        assert.equal(window.oldestTime, naive.entries[0]?.time);
        assert.ok(window.count <= keysMax);
      }
      for (let identity = 0; identity <= 40; identity++) {
        const found = window.find(keyOf(identity, 1), 0, 0);
        assert.deepEqual(found, naive.find(identity, 1, 0));
      }
    },
  );
  fc.assert(property, { numRuns: 500, seed });
});
