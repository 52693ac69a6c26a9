import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeOffsets, encodeOffsets } from "../../../src/engine/embedded/offset-list.ts";

test("every list of offsets is decoded as it was, in ascending order without repeats", () => {
  const offsets = fc.array(fc.oneof(fc.maxSafeNat(), fc.nat(300)));
  fc.assert(
    fc.property(offsets, (list) => {
      const expected = [...new Set(list)].toSorted((left, right) => left - right);
      assert.deepEqual(decodeOffsets(encodeOffsets(list)), expected);
    }),
  );
});

test("neighbours cost a byte each", () => {
  const list = Array.from({ length: 1000 }, (_, index) => 3_000_000_000 + index * 5);
  assert.equal(encodeOffsets(list).length, 5 + 999);
});

test("a list that breaks off or leaves the range of offsets is not taken for one", () => {
  assert.throws(() => decodeOffsets(new Uint8Array([0x80])), /whole number/);
  assert.throws(() => decodeOffsets(new Uint8Array(8).fill(0xff)), /2\^53|whole number/);
  assert.throws(() => encodeOffsets([-1]), /from 0 on/);
  assert.throws(() => encodeOffsets([0.5]), /from 0 on/);
});
