import assert from "node:assert/strict";
import { test } from "node:test";

import { retryAfterMs } from "../../src/connector/retry-after.ts";
import type { StatusRules } from "../../src/connector/status-table.ts";
import { judgeStatus, objectionsToRules, statusTable } from "../../src/connector/status-table.ts";
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
    [["5", "Mon, 23 Nov 2026 12:02:00 GMT", "-7"], 120_000],
    [["900", "Mon, 23 Nov 2026 12:02:00 GMT", "soon"], 900_000],
    [["Mon, 23 Nov 2026 11:00:00 GMT", "0", "-1"], undefined],
  ];

for (const [header, expected] of headers) {
  test(`F14: Retry-After ${JSON.stringify(header)} asks for ${expected} ms`, () => {
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

const rules: readonly {
  readonly name: string;
  readonly rules: StatusRules;
  /** Status, with Retry-After or without, verdict. */
  readonly rows: readonly (readonly [number, boolean, string])[];
}[] = [
  {
    name: "a listed number is retried or fails, whatever it usually does",
    rules: { retryOn: [401, 302, 503], failOn: [404, 500] },
    rows: [
      [401, false, "retry"],
      [302, false, "retry"],
      [503, false, "retry"],
      [503, true, "retry"],
      [404, false, "rejected"],
      [500, true, "rejected"],
      [403, false, "rejected"],
      [409, false, "retry"],
    ],
  },
  {
    name: "a class takes in what is not listed by number, but neither holds, 410 nor successes",
    rules: { retryOn: ["4xx", "3xx"], failOn: ["5xx", 422] },
    rows: [
      [400, false, "retry"],
      [404, false, "retry"],
      [410, false, "gone"],
      [422, false, "rejected"],
      [429, false, "hold"],
      [302, false, "retry"],
      [500, false, "rejected"],
      [503, false, "rejected"],
      [503, true, "hold"],
      [204, false, "delivered"],
      [999, false, "rejected"],
    ],
  },
  {
    name: "a number wins over the class of the other list",
    rules: { retryOn: [501], failOn: ["5xx"] },
    rows: [
      [501, false, "retry"],
      [502, false, "rejected"],
    ],
  },
];
for (const { name, rules: given, rows } of rules) {
  test(name, () => {
    assert.deepEqual(objectionsToRules(given), []);
    const table = statusTable(given);
    for (const [status, asksToWait, expected] of rows) {
      assert.equal(table(status, { asksToWait }), expected, `${status} ${asksToWait}`);
    }
  });
}

test("without rules the table is the usual one", () => {
  assert.equal(statusTable({ retryOn: [], failOn: [] }), judgeStatus);
});

const wrongRules: readonly (readonly [object, string, string, RegExp])[] = [
  [{ retryOn: 503 }, "retryOn", "wrong_type", /list/],
  [{ failOn: ["503"] }, "failOn[0]", "invalid_value", /"503"/],
  [{ failOn: ["2xx"] }, "failOn[0]", "invalid_value", /one of "3xx"/],
  [{ failOn: [200] }, "failOn[0]", "invalid_value", /a success/],
  [{ retryOn: [400, 103] }, "retryOn[1]", "invalid_value", /no status/],
  [{ retryOn: [600] }, "retryOn[0]", "invalid_value", /no status/],
  [{ retryOn: [400.5] }, "retryOn[0]", "invalid_value", /400.5/],
  [{ retryOn: [410] }, "retryOn[0]", "invalid_value", /pauses the subscription/],
  [{ failOn: [429] }, "failOn[0]", "invalid_value", /holds the subscription/],
  [{ failOn: [null] }, "failOn[0]", "invalid_value", /null/],
  [{ retryOn: ["4xx", 500], failOn: [500] }, "failOn[0]", "conflict", /500 is in retryOn too/],
  [{ retryOn: ["5xx"], failOn: [404, "5xx"] }, "failOn[1]", "conflict", /"5xx" is in retryOn/],
  [{ retryOn: Array(101).fill(500) }, "retryOn", "too_many", /retryStatusesMax/],
];
for (const [given, path, code, message] of wrongRules) {
  test(`the rules ${JSON.stringify(given).slice(0, 60)} are refused at ${path}`, () => {
    const found = objectionsToRules({ retryOn: undefined, failOn: undefined, ...given });
    assert.deepEqual(
      found.map((each) => [each.path, each.code]),
      [[path, code]],
    );
    assert.match(found[0]?.message ?? "", message);
  });
}
