import assert from "node:assert/strict";
import { test } from "node:test";

import { addressKind } from "../../src/connector/address-rules.ts";
import { objectionToAllowedSink } from "../../src/connector/allowed-sinks.ts";
import { NetworkGuard } from "../../src/connector/network-guard.ts";
import type { NameResolver } from "../../src/connector/name-resolver.ts";

const silent: NameResolver = {
  resolve: () => Promise.reject(new Error("nothing is resolved here")),
};

const closed = new NetworkGuard({ allowPrivateSinks: false }, silent);
const open = new NetworkGuard({ allowPrivateSinks: true }, silent);

/** Literals in every notation, all folded by the URL parser before they are judged. */
const privateLiterals = [
  "http://127.0.0.1/",
  "http://127.1/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0177.0.0.1/",
  "http://0x7f.0.0.0x1/",
  "http://①②⑦.⓪.⓪.①/",
  "http://127。0。0。1/",
  "http://0/",
  "http://127.0.0.1.:8080/",
  "http://[::1]/",
  "http://[::]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::127.0.0.1]/",
  "http://[::ffff:0:127.0.0.1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[2002:7f00:1::]/",
  "http://[fec0::1]/",
  "http://[fd12::1]/",
  "http://10.0.0.5/",
  "http://172.31.255.255/",
  "http://192.168.1.1/",
  "http://198.18.0.1/",
  "http://100.64.0.1/",
  "http://224.0.0.1/",
  "http://255.255.255.255/",
  "http://127.0.0.1\\@good.example/",
  "http://localhost/",
  "http://LOCALHOST./",
  "http://api.localhost:3000/",
];

const forbiddenLiterals = [
  "http://169.254.169.254/",
  "http://169.254.170.2/",
  "http://100.100.100.200/",
  "http://168.63.129.16/",
  "http://192.0.0.192/",
  "http://[::ffff:a9fe:a9fe]/",
  "http://[64:ff9b::a9fe:a9fe]/",
  "http://[2002:a9fe:a9fe::1]/",
  "http://[::a9fe:a9fe]/",
  "http://[::ffff:0:a9fe:a9fe]/",
  "http://[fd00:ec2::254]/",
  "http://[fe80::1]/",
];

const unusable: readonly (readonly [string, RegExp])[] = [
  ["http://user:pw@good.example@127.0.0.1/", /user name or password/],
  ["https://user@good.example/", /user name or password/],
  ["file:///etc/passwd", /scheme 'file:'/],
  ["gopher://good.example/", /scheme 'gopher:'/],
  ["ftp://good.example/", /scheme 'ftp:'/],
  ["https://good.example/#part", /fragment/],
  ["good.example/hook", /no absolute URL/],
  ["", /no absolute URL/],
  [`https://good.example/${"x".repeat(5000)}`, /sinkUrlLengthMax/],
];

for (const url of privateLiterals) {
  test(`P8, F22: ${url} is refused, and allowed with private sinks`, () => {
    assert.match(closed.objectionsToUrl(url).join(), /private network.*--allow-private-sinks/);
    assert.deepEqual(open.objectionsToUrl(url), []);
  });
}

for (const url of forbiddenLiterals) {
  test(`P8, F22: ${url} is refused even with private sinks`, () => {
    assert.match(closed.objectionsToUrl(url).join(), /link-local or metadata/);
    assert.match(open.objectionsToUrl(url).join(), /link-local or metadata/);
  });
}

for (const port of [22, 25, 6379]) {
  test(`P8, F22: port ${port} of another service is refused, and open with private sinks`, () => {
    const url = `http://good.example:${port}/`;
    assert.match(closed.objectionsToUrl(url).join(), new RegExp(`port ${port} `));
    assert.deepEqual(open.objectionsToUrl(url), []);
  });
}

for (const [url, why] of unusable) {
  test(`${url.slice(0, 60)} is refused whatever the policy`, () => {
    assert.match(closed.objectionsToUrl(url).join(), why);
    assert.match(open.objectionsToUrl(url).join(), why);
  });
}

for (const url of [
  "https://1.1.1.1/",
  "https://[2606:4700::1111]/",
  "https://good.example/hook?x=1",
  "http://good.example:8080/",
  "http://metadata.google.internal/", // A name is judged by what it resolves to.
]) {
  test(`${url} passes`, () => assert.deepEqual(closed.objectionsToUrl(url), []));
}

test("low ports other than 80 and 443 are open to private sinks only", () => {
  assert.match(closed.objectionsToUrl("http://good.example:81/").join(), /port 81 is closed/);
  assert.deepEqual(open.objectionsToUrl("http://good.example:81/"), []);
});

/** The list, a URL, and why it is refused; undefined if it is not. */
const listed: readonly (readonly [readonly string[], string, RegExp | undefined])[] = [
  [["10.1.0.0/16"], "http://10.1.2.3/", undefined],
  [["10.1.0.0/16"], "http://10.2.0.1/", /private/],
  [["10.1.0.0/16"], "http://[::ffff:10.1.2.3]/", undefined],
  [["10.1.0.0/16"], "http://10.1.2.3:8080/", undefined],
  [["10.1.0.0/16"], "http://10.1.2.3:6379/", /port 6379 belongs/],
  [["10.1.0.0/16"], "http://10.1.2.3:81/", /port 81 is closed/],
  [["192.168.1.7"], "http://192.168.1.7/", undefined],
  [["192.168.1.7"], "http://192.168.1.8/", /private/],
  [["192.168.1.7:8080"], "http://192.168.1.7:8080/", undefined],
  [["192.168.1.7:8080"], "http://192.168.1.7:8081/", /private/],
  [["192.168.1.7:8080"], "http://192.168.1.7/", /private/],
  [["192.168.1.7:6379"], "http://192.168.1.7:6379/", undefined],
  [["192.168.1.7:80"], "http://192.168.1.7/", undefined],
  [["192.168.1.7:443"], "https://192.168.1.7/", undefined],
  [["fd12::/16"], "http://[fd12::1]/", undefined],
  [["fd12::1"], "http://[fd12::1]/", undefined],
  [["[fd12::1]:8080"], "http://[fd12::1]:8080/", undefined],
  [["[fd12::1]:8080"], "http://[fd12::1]/", /private/],
  [["127.0.0.0/8"], "http://127.1/", undefined],
  [["127.0.0.0/8"], "http://localhost/", /private/], // It is ::1 too.
  [["127.0.0.0/8", "::1"], "http://localhost/", undefined],
  [["localhost"], "http://LOCALHOST./", undefined],
  [["localhost"], "http://127.0.0.1/", /private/],
  [["*.localhost"], "http://api.localhost:3000/", undefined],
  [["*.localhost"], "http://localhost/", /private/],
  [["crm.internal:81"], "http://crm.internal:81/", undefined],
  [["crm.internal"], "http://crm.internal:81/", /port 81/],
  [["CRM.Internal:81"], "http://crm.internal:81/", undefined],
  [["bücher.internal:81"], "http://xn--bcher-kva.internal:81/", undefined],
  [["100.64.0.0/10"], "http://100.100.100.200/", /metadata/],
  [["0.0.0.0/0", "::/0"], "http://169.254.169.254/", /metadata/],
  [["0.0.0.0/0", "::/0"], "http://[fd00:ec2::254]/", /metadata/],
  [["0.0.0.0/0", "::/0"], "http://[64:ff9b::a9fe:a9fe]/", /metadata/],
];
for (const [allowSinks, url, refusal] of listed) {
  test(`F22: with --allow-sinks ${allowSinks.join()} ${url} ${refusal === undefined ? "passes" : "is refused"}`, () => {
    for (const each of allowSinks) assert.equal(objectionToAllowedSink(each), undefined);
    const guard = new NetworkGuard({ allowPrivateSinks: false, allowSinks }, silent);
    const objections = guard.objectionsToUrl(url).join();
    if (refusal === undefined) assert.equal(objections, "");
    else assert.match(objections, refusal);
  });
}

test("the refusal names the entry that would open the sink", () => {
  assert.match(closed.objectionsToUrl("http://10.0.0.5/").join(), /--allow-sinks 10\.0\.0\.5,/);
});

for (const entry of [
  "",
  "*",
  "*.",
  "https://crm.internal",
  "crm.internal/path",
  "user@crm.internal",
  "crm internal",
  "crm.internal:0",
  "crm.internal:70000",
  "crm.internal:http",
  "10.0.0.0/33",
  "fd00::/129",
  "10.0.0/8",
  "*.10.0.0.5",
  "a*.internal",
  "169.254.169.254",
  "169.254.0.0/16",
  "[fe80::1]:80",
  "fd00:ec2::254",
]) {
  test(`--allow-sinks '${entry}' is refused`, () => {
    assert.match(objectionToAllowedSink(entry) ?? "", /neither a host|every host|nothing opens/);
  });
}

test("every special range of both families is known", () => {
  const specials = (
    "0.1.2.3 10.0.0.1 100.127.255.255 127.9.9.9 172.16.0.1 192.0.0.1 192.0.2.1 192.88.99.1 " +
    "192.168.0.1 198.19.255.255 198.51.100.1 203.0.113.1 239.1.1.1 240.0.0.1 :: ::1 ::5 " +
    "64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:808:808::1 3fff::1 5f00::1 " +
    "fc00::1 fdff::1 fec0::1 ff02::1 ::ffff:10.0.0.1"
  ).split(" ");
  for (const address of specials) assert.equal(addressKind(address), "private", address);
  for (const address of ["8.8.8.8", "::ffff:8.8.8.8", "2a00:1450::1", "172.32.0.1", "11.0.0.1"]) {
    assert.equal(addressKind(address), "public", address);
  }
  assert.equal(addressKind("fe80::1%eth0"), "forbidden");
  assert.equal(addressKind("no address"), "not-an-address");
});
