import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  abandonProbe,
  beginProbe,
  createCircuit,
  judge,
  mayProbe,
  nextCircuitState,
  probeAtOnce,
  reopen,
} from "../../src/delivery/circuit.ts";
import type { Circuit, CircuitChange, CircuitFailureKind } from "../../src/delivery/circuit.ts";
import { limits } from "../../src/kernel/limits.ts";
import { SeededRandom } from "../../src/testing/seeded-random.ts";

const random = new SeededRandom(11);
const retry = { minDelayMs: 1000, maxDelayMs: 600_000 };

interface Given {
  readonly probe?: number;
  readonly now?: number;
}

function fail(
  circuit: Circuit,
  event: number,
  kind: CircuitFailureKind,
  given: Given = {},
): CircuitChange {
  const result = { kind, event: `s:${event}`, error: "answered 401" };
  return judge(circuit, { probe: given.probe ?? 0, result, now: given.now ?? 0, retry, random });
}

function say(circuit: Circuit, result: "success" | undefined, given: Given = {}): CircuitChange {
  return judge(circuit, { probe: given.probe ?? 0, result, now: given.now ?? 0, retry, random });
}

function opened(): Circuit {
  const circuit = createCircuit();
  for (let event = 0; event < 5; event += 1) fail(circuit, event, "answer");
  assert.equal(circuit.state, "open");
  return circuit;
}

test("P4: five failures in a row from three different events open it, whatever their status", () => {
  const circuit = createCircuit();
  const changes = [0, 1, 2, 0, 1].map((event) => fail(circuit, event, "answer"));
  assert.deepEqual(changes, ["none", "none", "none", "none", "opened"]);
  assert.match(circuit.reason ?? "", /5 failures in a row \(different events\): answered 401/);
});

test("P4: failures of two events do not open it, however many there are: they may be poison", () => {
  const circuit = createCircuit();
  for (let count = 0; count < 100; count += 1) {
    assert.equal(fail(circuit, count % 2, "answer"), "none");
  }
  assert.equal(fail(circuit, 2, "answer"), "opened");
});

test("P4: five failures in a row of one event open it if they found no working endpoint", () => {
  const circuit = createCircuit();
  const changes = [0, 0, 0, 0, 0].map((event) => fail(circuit, event, "connection"));
  assert.deepEqual(changes, ["none", "none", "none", "none", "opened"]);
  assert.match(circuit.reason ?? "", /no working endpoint/);
});

test("an answer in between ends the row of those that found nobody, a success every row", () => {
  const circuit = createCircuit();
  for (let round = 0; round < 10; round += 1) {
    for (let count = 0; count < 4; count += 1) assert.equal(fail(circuit, 0, "connection"), "none");
    assert.equal(fail(circuit, 0, "answer"), "none");
  }
  assert.equal(say(circuit, "success"), "none");
  for (let event = 0; event < 4; event += 1) assert.equal(fail(circuit, event, "answer"), "none");
  assert.equal(say(circuit, "success"), "none");
  for (let event = 0; event < 4; event += 1) assert.equal(fail(circuit, event, "answer"), "none");
});

test("held, gone and given up attempts are neither success nor failure", () => {
  const circuit = createCircuit();
  for (let event = 0; event < 4; event += 1) {
    fail(circuit, event, "answer");
    assert.equal(say(circuit, undefined), "none");
  }
  assert.equal(fail(circuit, 4, "answer"), "opened");
});

test("failures of the transformer open it with the reason transform", () => {
  const circuit = createCircuit();
  for (let event = 0; event < 5; event += 1) fail(circuit, event, "transform");
  assert.equal(circuit.state, "open");
  assert.match(circuit.reason ?? "", /^transform: /);
});

test("P4: one probe at a time, on a delay that grows to a minute", () => {
  const circuit = opened();
  let now = 0;
  for (let probe = 1; probe <= 20; probe += 1) {
    const waitMs = circuit.nextProbeAt - now;
    assert(waitMs >= 1000 && waitMs <= Math.min(limits.probeDelayMsMax, 1000 * 2 ** probe));
    assert(!mayProbe(circuit, circuit.nextProbeAt - 1));
    now = circuit.nextProbeAt;
    assert(mayProbe(circuit, now));
    const number = beginProbe(circuit);
    assert(!mayProbe(circuit, now + 1e9), "while one is out there is no other");
    assert.equal(fail(circuit, probe, "answer", { probe: number, now }), "probed");
  }
  assert.match(circuit.reason ?? "", /probe failed too/);
});

test("a probe that is held says nothing: the next one waits as long as this one did", () => {
  const circuit = opened();
  const probe = beginProbe(circuit);
  assert.equal(say(circuit, undefined, { probe, now: 5000 }), "probed");
  assert.equal(circuit.state, "open");
  assert(circuit.nextProbeAt >= 6000 && circuit.nextProbeAt <= 7000);
});

test("any success closes it, also of what was under way when it opened", () => {
  const circuit = opened();
  assert.equal(fail(circuit, 9, "answer"), "none");
  assert.equal(say(circuit, "success"), "closed");
  assert.deepEqual([circuit.state, circuit.reason], ["closed", null]);
});

test("what an abandoned probe comes to is no news about the one that took its place", () => {
  const circuit = opened();
  const first = beginProbe(circuit);
  abandonProbe(circuit);
  assert(mayProbe(circuit, 0), "at once");
  const second = beginProbe(circuit);
  assert.equal(fail(circuit, 1, "answer", { probe: first }), "none");
  assert.equal(circuit.state, "half-open");
  assert.equal(fail(circuit, 1, "answer", { probe: second }), "probed");
});

test("a change of the subscription lets the next probe go at once, also when one is out", () => {
  const circuit = opened();
  probeAtOnce(circuit);
  assert(mayProbe(circuit, 0));
  const probe = beginProbe(circuit);
  probeAtOnce(circuit);
  fail(circuit, 1, "answer", { probe, now: 77 });
  assert(mayProbe(circuit, 77));
});

test("after a restart an open circuit begins with one probe", () => {
  const circuit = createCircuit();
  reopen(circuit, "5 failures in a row");
  assert(mayProbe(circuit, 0));
  beginProbe(circuit);
  assert(!mayProbe(circuit, 1e12));
  assert.equal(circuit.reason, "5 failures in a row");
});

test("a step that a circuit cannot take is an error of the program", () => {
  assert.equal(nextCircuitState("closed", "trip"), "open");
  assert.throws(() => nextCircuitState("closed", "probe"), /possible in this state/);
  assert.throws(() => nextCircuitState("half-open", "probe"), /possible in this state/);
  assert.throws(() => nextCircuitState("open", "trip"), /possible in this state/);
});

/** The rule of DESIGN, written down a second time as plainly as possible. */
function shouldBeOpen(results: readonly string[]): boolean {
  const last = results.lastIndexOf("success");
  const row = results.slice(last + 1);
  for (let end = 5; end <= row.length; end += 1) {
    const part = row.slice(0, end);
    if (new Set(part.map((one) => one.split(" ")[1])).size >= 3) return true;
    if (part.slice(-5).every((one) => one.startsWith("connection"))) return true;
  }
  return false;
}

test("it is open after exactly those histories that the rule says", () => {
  const one = fc.oneof(
    { weight: 1, arbitrary: fc.constant("success") },
    {
      weight: 8,
      arbitrary: fc
        .tuple(fc.constantFrom("connection", "answer", "transform"), fc.nat(3))
        .map(([kind, event]) => `${kind} ${event}`),
    },
  );
  fc.assert(
    fc.property(fc.array(one, { maxLength: 30 }), (results) => {
      const circuit = createCircuit();
      for (const result of results) {
        const [kind, event] = result.split(" ");
        if (kind === "success") say(circuit, "success");
        else fail(circuit, Number(event), kind as CircuitFailureKind);
      }
      assert.equal(circuit.state === "open", shouldBeOpen(results));
    }),
    { numRuns: 1000 },
  );
});
