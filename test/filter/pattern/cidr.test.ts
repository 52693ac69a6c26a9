import assert from "node:assert/strict";
import { BlockList } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { isInBlock, parseBlock } from "../../../src/filter/pattern/cidr.ts";

function holds(block: string, address: string): boolean {
  const parsed = parseBlock(block);
  assert(typeof parsed !== "string", block);
  return isInBlock(address, parsed);
}

const cases: readonly [block: string, address: string, holds: boolean][] = [
  ["10.0.0.0/8", "10.255.0.1", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.0.0.99/24", "10.0.0.1", true],
  ["10.0.0.1/32", "10.0.0.1", true],
  ["10.0.0.1/32", "10.0.0.2", false],
  ["0.0.0.0/0", "8.8.8.8", true],
  ["0.0.0.0/0", "::1", false],
  ["::/0", "8.8.8.8", false],
  ["2001:db8::/32", "2001:DB8:0:1::5", true],
  ["2001:db8::/32", "2001:db9::", false],
  ["fe80::/10", "febf::1", true],
  ["fe80::/10", "fec0::1", false],
  ["fe80::/10", "fe80::1%eth0", false],
  ["::ffff:10.0.0.0/104", "::ffff:10.1.2.3", true],
  ["10.0.0.0/8", "::ffff:10.1.2.3", false],
  ["10.0.0.0/8", "010.1.2.3", false],
  ["10.0.0.0/8", "10.1.2", false],
  ["10.0.0.0/8", " 10.1.2.3", false],
  ["10.0.0.0/8", "", false],
];

test("an address is in a block of its own version whose first bits it shares", () => {
  for (const [block, address, expected] of cases) {
    assert.equal(holds(block, address), expected, `${address} in ${block}`);
  }
});

test("what is no block is refused", () => {
  for (const text of [
    "10.0.0.0",
    "10.0.0/8",
    "10.0.0.0/33",
    "::/129",
    "a/8",
    "",
    "1.2.3.4/8/9",
    "1.2.3.4/08",
  ]) {
    assert.equal(typeof parseBlock(text), "string", text);
  }
});

test("blocks hold what the platform's list of blocks holds", () => {
  const sample = fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 32 }), fc.ipV4());
  const sampleV6 = fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 128 }), fc.ipV6());
  for (const [arbitrary, family] of [
    [sample, "ipv4"],
    [sampleV6, "ipv6"],
  ] as const) {
    const property = fc.property(arbitrary, ([network, bits, other]) => {
      const list = new BlockList();
      list.addSubnet(network, bits, family);
      for (const address of [network, other]) {
        assert.equal(holds(`${network}/${bits}`, address), list.check(address, family));
      }
    });
    fc.assert(property, { numRuns: 2000 });
  }
});
