import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, parseDuration, parseTime } from "../../src/broker/durations.ts";

const durations: readonly [text: string, milliseconds: number | undefined][] = [
  ["500ms", 500],
  ["10s", 10_000],
  ["5m", 300_000],
  ["1h", 3_600_000],
  ["7d", 604_800_000],
  ["0s", 0],
  ["PT10S", 10_000],
  ["PT0.5S", 500],
  ["P1D", 86_400_000],
  ["P1W", 604_800_000],
  ["P1DT2H3M4.5S", 93_784_500],
  ["", undefined],
  ["P", undefined],
  ["PT", undefined],
  ["P1DT", undefined],
  ["P1Y", undefined],
  ["P1M", undefined],
  ["10", undefined],
  ["10 s", undefined],
  ["-1s", undefined],
  ["1.5h", undefined],
  ["1h30m", undefined],
  ["10S", undefined],
];
for (const [text, milliseconds] of durations) {
  test(`the duration '${text}' is ${milliseconds ?? "refused"}`, () => {
    assert.equal(parseDuration(text), milliseconds);
  });
}

test("a formatted duration is read back as the same", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), (milliseconds) => {
      assert.equal(parseDuration(formatDuration(milliseconds)), milliseconds);
    }),
  );
  assert.equal(formatDuration(86_400_000), "1d");
  assert.equal(formatDuration(90_000), "90s");
});

const times: readonly [text: string, iso: string | undefined][] = [
  ["2026-11-23T10:00:00Z", "2026-11-23T10:00:00.000Z"],
  ["2026-11-23t10:00:00z", "2026-11-23T10:00:00.000Z"],
  ["2026-11-23T12:00:00+02:00", "2026-11-23T10:00:00.000Z"],
  ["2026-11-23T10:00:00.123456789Z", "2026-11-23T10:00:00.123Z"],
  ["2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"],
  ["2026-02-30T00:00:00Z", undefined],
  ["2026-11-23", undefined],
  ["2026-11-23T10:00:00", undefined],
  ["2026-13-01T00:00:00Z", undefined],
  ["tomorrow", undefined],
];
for (const [text, iso] of times) {
  test(`the time '${text}' is ${iso ?? "refused"}`, () => {
    const time = parseTime(text);
    assert.equal(time === undefined ? undefined : new Date(time).toISOString(), iso);
  });
}
