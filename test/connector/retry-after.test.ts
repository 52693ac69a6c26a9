import assert from "node:assert/strict";
import { test } from "node:test";

import { retryAfterMs } from "../../src/connector/retry-after.ts";
import { judgeStatus } from "../../src/connector/status-table.ts";
import { limits } from "../../src/kernel/limits.ts";

const now = Date.UTC(2026, 10, 23, 12, 0, 0);

const headers: readonly (readonly [string | readonly string[] | undefined, number | undefined])[] =
  [
    [undefined, undefined],
    ["120", 120_000],
    [" 5 ", 5000],
    ["0", undefined],
    ["-5", undefined],
    ["1.5", undefined],
    ["1e3", undefined],
    ["", undefined],
    ["soon", undefined],
    ["99999999999999999999", limits.retryAfterMsMax],
    ["Mon, 23 Nov 2026 12:02:00 GMT", 120_000],
    ["Monday, 23-Nov-26 12:02:00 GMT", 120_000],
    ["Mon Nov 23 12:02:00 2026", 120_000],
    ["Mon, 23 Nov 2026 11:00:00 GMT", undefined],
    ["Fri, 31 Dec 9999 23:59:59 GMT", limits.retryAfterMsMax],
    ["Sunday, 06-Nov-94 08:49:37 GMT", undefined],
    ["2026-11-23T12:02:00Z", undefined],
    ["Mon, 99 Nov 2026 12:02:00 GMT", undefined],
    [["10", "30", "20"], 30_000],
    [["nonsense", "10"], 10_000],
    ["10, 30", 30_000],
  ];

for (const [header, expected] of headers) {
  test(`Retry-After ${JSON.stringify(header)} asks for ${expected} ms`, () => {
    assert.equal(retryAfterMs(header, now), expected);
  });
}

test("every status has the verdict of the table, with and without Retry-After", () => {
  const expected = (status: number, asksToWait: boolean): string => {
    if (status < 300) return "delivered";
    if (status < 400) return "redirect";
    if (status === 410) return "gone";
    if (status === 429 || (status === 503 && asksToWait)) return "hold";
    if ([404, 408, 409, 425].includes(status) || (status >= 500 && status < 600)) return "retry";
    return "rejected";
  };
  for (let status = 200; status < 1000; status += 1) {
    for (const asksToWait of [false, true]) {
      assert.equal(judgeStatus(status, { asksToWait }), expected(status, asksToWait), `${status}`);
    }
  }
});
