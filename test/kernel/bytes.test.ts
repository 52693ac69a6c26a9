import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { decodeBase64, decodeUtf8, hasByteOrderMark } from "../../src/kernel/bytes.ts";

suite("decodeUtf8", () => {
  test("gives back well-formed text, a byte order mark included", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        assert.equal(decodeUtf8(new TextEncoder().encode(`\ufeff${text}`)), `\ufeff${text}`);
        assert.equal(decodeUtf8(Buffer.from(text)), text);
      }),
    );
  });

  for (const bytes of [
    [0xff],
    [0xc0, 0xa0],
    [0xed, 0xa0, 0x80],
    [0xc3],
    [0xf4, 0x90, 0x80, 0x80],
  ]) {
    test(`refuses ${Buffer.from(bytes).toString("hex")}`, () => {
      assert.equal(decodeUtf8(Uint8Array.from(bytes)), undefined);
    });
  }

  test("knows a byte order mark", () => {
    assert.equal(hasByteOrderMark(Buffer.from("\ufeff{}")), true);
    assert.equal(hasByteOrderMark(Buffer.from("{}")), false);
    assert.equal(hasByteOrderMark(Buffer.from([0xef, 0xbb])), false);
  });
});

suite("decodeBase64", () => {
  test("gives back what was encoded", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        assert.deepEqual(decodeBase64(Buffer.from(bytes).toString("base64")), Buffer.from(bytes));
      }),
    );
  });

  for (const text of ["AP8", "AP8-", "AP_=", "AP8=\n", "A===", "====", "AB=C", "é===", " AP8"]) {
    test(`refuses ${JSON.stringify(text)}, which node's decoder takes or skips`, () => {
      assert.equal(decodeBase64(text), undefined);
    });
  }
});
