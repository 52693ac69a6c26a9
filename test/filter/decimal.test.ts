import assert from "node:assert/strict";
import { test } from "node:test";
import { compareDecimals, isNumberText } from "../../src/filter/decimal.ts";

const ascending = [
  "-1e400",
  "-9007199254740993",
  "-9007199254740992",
  "-1",
  "-0.1",
  "-1e-400",
  "0",
  "1e-400",
  "0.1",
  "0.1000000000000000055",
  "1",
  "9007199254740992",
  "9007199254740993",
  "1e400",
  "1.0000000000000000000000000000001e400",
  "1e999999999999999999999",
];

test("numbers are ordered by value, to the last digit and beyond any double", () => {
  for (const [low, left] of ascending.entries()) {
    for (const [high, right] of ascending.entries()) {
      assert.equal(
        Math.sign(compareDecimals(left, right)),
        Math.sign(low - high),
        `${left} ${right}`,
      );
    }
  }
});

test("the ways to write one number are equal", () => {
  const equals = [
    ["300", "3e2", "300.0", "3E+2", "0.03e4", "3000e-1"],
    ["0", "-0", "0.0", "0e5", "-0.00e-3"],
    ["1.10", "1.1", "11e-1"],
  ];
  for (const texts of equals) {
    for (const left of texts) {
      for (const right of texts)
        assert.equal(compareDecimals(left, right) + 0, 0, `${left} ${right}`);
    }
  }
});

test("a number text is what JSON writes as one", () => {
  for (const text of ["0", "-1", "1.5", "1e5", "-0.1E-7"]) assert(isNumberText(text), text);
  for (const text of ["", "+1", "01", ".5", "1.", "1e", "0x1", " 1", "1 ", "NaN", "--1", "1\n"]) {
    assert(!isNumberText(text), text);
  }
});
