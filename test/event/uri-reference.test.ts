import assert from "node:assert/strict";
import { test } from "node:test";
import { isUriReference } from "../../src/event/uri-reference.ts";
import { cpuMs } from "../support/cpu-time.ts";

const legal = [
  "a",
  "",
  "/",
  "//host",
  "//",
  "///path",
  "?",
  "#",
  "?a?b#c?d/e",
  "http:",
  "a+b-c.1:x",
  "http://user:pass@host:80/p;x=1?q=%41#f",
  "http://host:",
  "http://[::1]:8080/x",
  "http://[::ffff:1.2.3.4]",
  "http://u@[v1F.a:b]/",
  "urn:example:a:b",
  "./a:b",
  "a/b:c",
  "/a b",
  "é:x/é".slice(2),
  "//é/ü?ö#ä",
  "/🜚",
  "1-555-123-4567",
  "$.source",
];
for (const text of legal) {
  test(`I10: ${JSON.stringify(text)} is a URI-reference`, () => assert.ok(isUriReference(text)));
}

const illegal = [
  "http://[bad",
  "http://[bad]",
  "http://[::1",
  "http://[::1]x",
  "http://[::1]:x",
  "http://[fe80::1%eth0]",
  "http://[v1.]",
  "http://a[b]/",
  "http://host:port/",
  "http://host:1:2/",
  "http://a@b@c/",
  "http://a]@b/",
  ":a",
  "1a:b",
  "é:b",
  "a b:c",
  "/a[0]",
  "/a{b}",
  "/a|b",
  "/a\\b",
  "/a^b",
  "/a`b",
  '/a"b',
  "/<a>",
  "/100%",
  "/%4",
  "/%zz",
  "#a#b",
];
for (const text of illegal) {
  test(`I10: ${JSON.stringify(text)} is none`, () => assert.ok(!isUriReference(text)));
}

test("P7: a megabyte of anything is judged in a moment", () => {
  const startedAt = cpuMs();
  for (const unit of ["a", ":", "@", "%41", "[", "/", "#", "é", "a:", "http://["]) {
    isUriReference(unit.repeat(1_000_000 / unit.length));
    isUriReference(`http://${unit.repeat(1_000_000 / unit.length)}\\`);
    isUriReference(`http://[v1.${unit.repeat(1_000_000 / unit.length)}\\]`);
  }
  assert.ok(cpuMs() - startedAt < 3000);
});
