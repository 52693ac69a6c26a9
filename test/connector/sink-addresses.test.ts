import assert from "node:assert/strict";
import { test } from "node:test";

import type { NameResolver, ResolvedAddress } from "../../src/connector/name-resolver.ts";
import { cachedResolver, systemResolver } from "../../src/connector/name-resolver.ts";
import type { Outcome } from "../../src/connector/sink.ts";
import { limits } from "../../src/kernel/limits.ts";
import { systemClock } from "../../src/kernel/clock.ts";
import { FakeClock } from "../../src/testing/fake-clock.ts";
import type { TestServer } from "./support.ts";
import { httpServer, makeContext, openSink } from "./support.ts";

/** Answers the n-th question with the n-th list, the last one for ever. */
function scripted(...answers: readonly (readonly string[])[]): NameResolver & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    resolve(name) {
      const answer = answers[Math.min(asked.length, answers.length - 1)] ?? [];
      asked.push(name);
      return Promise.resolve(
        answer.map((address): ResolvedAddress => ({
          address,
          family: address.includes(":") ? 6 : 4,
        })),
      );
    },
  };
}

function acceptAll(): Promise<TestServer> {
  return httpServer((request, response) => {
    request.resume();
    response.writeHead(204).end();
  });
}

function failureOf(outcome: Outcome): { failure: string; error: string } {
  assert.ok("failure" in outcome, outcome.outcome);
  assert.equal(outcome.outcome, "retry");
  return outcome;
}

const refusedAnswers: readonly (readonly [string, string, readonly string[]])[] = [
  ["24: localhost", "localhost", ["127.0.0.1", "::1"]],
  ["25: metadata service by name", "metadata.google.internal", ["169.254.169.254"]],
  ["26: wildcard DNS into a private network", "10-0-0-5.wild.example", ["10.0.0.5"]],
  ["28: a public and a private address", "mixed.example", ["1.1.1.1", "127.0.0.1"]],
  ["28: a private address behind a public IPv6 one", "six.example", ["2606:4700::1", "::1"]],
  ["mapped loopback", "mapped.example", ["::ffff:127.0.0.1"]],
];
for (const [row, name, addresses] of refusedAnswers) {
  test(`P8, F22: ${row} is refused at the connection, and nobody is connected to`, async () => {
    await using listener = await acceptAll();
    const resolver = scripted(addresses);
    const context = makeContext({ allowPrivateSinks: false, resolver });
    await using sink = openSink("HTTP", { sink: `http://${name}:${listener.port}/` }, context);
    const { failure, error } = failureOf(await sink.send());
    assert.equal(failure, "address", error);
    assert.match(error, /private network|metadata/);
    assert.equal(listener.connects(), 0);
  });
}

test("P8: a literal that became private after creation is refused at the connection", async () => {
  await using listener = await acceptAll();
  const context = makeContext({ allowPrivateSinks: false });
  await using sink = openSink("HTTP", { sink: listener.url }, context);
  assert.equal(failureOf(await sink.send()).failure, "address");
  assert.equal(listener.connects(), 0);
});

test("P8: metadata addresses stay closed when private sinks are allowed", async () => {
  const context = makeContext({ resolver: scripted(["169.254.169.254"]) });
  await using sink = openSink("HTTP", { sink: "http://metadata.google.internal/" }, context);
  assert.equal(failureOf(await sink.send()).failure, "address");
});

test("P8, 27: rebinding: the name is resolved once and the checked address is connected to", async () => {
  await using checked = await httpServer((request, response) => {
    request.resume();
    response.writeHead(200, { connection: "close" }).end(request.headers.host);
  });
  // 127.0.0.2 plays the public address; the server on 127.0.0.1 is what the attacker is after.
  const resolver = scripted(["127.0.0.2"], ["127.0.0.1"]);
  const context = makeContext({
    allowPrivateSinks: false,
    allowSinks: ["127.0.0.2"],
    resolver,
  });
  const url = `http://rebind.example:${checked.port}/`;
  await using sink = openSink("HTTP", { sink: url }, context);
  const first = failureOf(await sink.send());
  assert.equal(first.failure, "connect", first.error); // Nobody listens on 127.0.0.2.
  const second = failureOf(await sink.send());
  assert.equal(second.failure, "connect", second.error);
  assert.deepEqual(resolver.asked, ["rebind.example"]);
  assert.equal(checked.connects(), 0);
});

const inCluster: readonly (readonly [string, readonly string[], readonly string[], boolean])[] = [
  ["its name", ["svc.cluster.test"], ["127.0.0.1"], true],
  ["its suffix", ["*.cluster.test"], ["127.0.0.1"], true],
  ["the network it resolves to", ["127.0.0.0/8"], ["127.0.0.1"], true],
  ["another name", ["other.cluster.test"], ["127.0.0.1"], false],
  ["a part of its address only", ["127.0.0.1"], ["127.0.0.1", "10.0.0.5"], false],
  ["a name of the metadata service", ["*.cluster.test"], ["169.254.169.254"], false],
];
for (const [what, allowSinks, addresses, isOpen] of inCluster) {
  test(`F22: with ${what} on the allow-list a private name is ${isOpen ? "open" : "refused"}`, async () => {
    await using listener = await acceptAll();
    const context = makeContext({
      allowPrivateSinks: false,
      allowSinks,
      resolver: scripted(addresses),
    });
    const sinkUrl = `http://svc.cluster.test:${listener.port}/`;
    await using sink = openSink("HTTP", { sink: sinkUrl }, context);
    const outcome = await sink.send();
    assert.equal(outcome.outcome, isOpen ? "delivered" : "retry", JSON.stringify(outcome));
    if (!isOpen) assert.equal(failureOf(outcome).failure, "address");
    assert.equal(listener.connects(), isOpen ? 1 : 0);
  });
}

test("F22: an entry with a port opens the name on that port only", async () => {
  await using listener = await acceptAll();
  for (const [port, isOpen] of [
    [listener.port, true],
    [listener.port === 65_535 ? 1024 : listener.port + 1, false],
  ] as const) {
    const allowSinks = [`svc.cluster.test:${port}`];
    const resolver = scripted(["127.0.0.1"]);
    const context = makeContext({ allowPrivateSinks: false, allowSinks, resolver });
    const sinkUrl = `http://svc.cluster.test:${listener.port}/`;
    await using sink = openSink("HTTP", { sink: sinkUrl }, context);
    assert.equal((await sink.send()).outcome, isOpen ? "delivered" : "retry");
  }
  assert.equal(listener.connects(), 1);
});

test("F22: a closed port is refused at the connection too, if the policy changed since", async () => {
  const resolver = scripted(["127.0.0.1"]);
  const context = makeContext({ allowPrivateSinks: false, allowSinks: ["127.0.0.1"], resolver });
  await using sink = openSink("HTTP", { sink: "http://cache.example:6379/" }, context);
  assert.match(failureOf(await sink.send()).error, /port 6379 belongs to a service/);
  assert.deepEqual(resolver.asked, []);
});

test("F22: the address that the socket has reached is judged as well", async () => {
  let requests = 0;
  await using server = await httpServer((request, response) => {
    requests += 1;
    request.resume();
    response.writeHead(204).end();
  });
  // An address that is public when it is looked at, and loopback when it is connected to.
  let looks = 0;
  const turncoat: ResolvedAddress = {
    get address() {
      looks += 1;
      return looks === 1 ? "1.1.1.1" : "127.0.0.1";
    },
    family: 4,
  };
  const resolver: NameResolver = { resolve: () => Promise.resolve([turncoat]) };
  const context = makeContext({ allowPrivateSinks: false, resolver });
  const sinkUrl = `http://turncoat.example:${server.port}/`;
  await using sink = openSink("HTTP", { sink: sinkUrl }, context);
  const { failure, error } = failureOf(await sink.send());
  assert.equal(failure, "address", error);
  assert.match(error, /127\.0\.0\.1 lies in a private network/);
  assert.equal(requests, 0);
});

test("the name of the URL stays in Host while the connection goes to the resolved address", async () => {
  let host: string | undefined;
  await using server = await httpServer((request, response) => {
    host = request.headers.host;
    request.resume();
    response.writeHead(204).end();
  });
  const context = makeContext({ resolver: scripted(["127.0.0.1"]) });
  await using sink = openSink("HTTP", { sink: `http://shop.example:${server.port}/` }, context);
  assert.equal((await sink.send()).outcome, "delivered");
  assert.equal(host, `shop.example:${server.port}`);
});

test("a second address is tried when the first does not answer", async () => {
  await using server = await acceptAll();
  const context = makeContext({ resolver: scripted(["127.0.0.9", "127.0.0.1"]) });
  await using sink = openSink("HTTP", { sink: `http://two.example:${server.port}/` }, context);
  assert.equal((await sink.send()).outcome, "delivered");
});

test("P3: a name that is never answered delays no sink with another name", async () => {
  await using server = await acceptAll();
  const resolver: NameResolver = {
    resolve: (name) =>
      name === "hanging.example"
        ? new Promise(() => undefined)
        : Promise.resolve([{ address: "127.0.0.1", family: 4 }]),
  };
  const context = makeContext({ resolver });
  await using hanging = openSink("HTTP", { sink: "http://hanging.example/" }, context);
  await using well = openSink("HTTP", { sink: `http://well.example:${server.port}/` }, context);
  const stuck = [1, 2, 3, 4].map(() => hanging.send({ timeoutMs: 2000 }));
  let isAnyOver = false;
  void Promise.race(stuck).then(() => (isAnyOver = true));
  assert.equal((await well.send()).outcome, "delivered");
  assert.ok(!isAnyOver, "it waited for none of those");
  for (const outcome of await Promise.all(stuck)) {
    assert.equal(failureOf(outcome).failure, "timeout");
  }
});

test("a name that does not exist is retried and named", async () => {
  const resolver: NameResolver = {
    resolve: () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" })),
  };
  await using sink = openSink("HTTP", { sink: "http://gone.example/" }, makeContext({ resolver }));
  const { failure, error } = failureOf(await sink.send());
  assert.equal(failure, "connect");
  assert.equal(error, "the name gone.example cannot be resolved (ENOTFOUND)");
});

test("answers are remembered for dnsCacheMs, failures for dnsFailureCacheMs, asked once at a time", async () => {
  const clock = new FakeClock();
  let asked = 0;
  let fails = true;
  const resolver = cachedResolver(
    {
      resolve() {
        asked += 1;
        if (fails) return Promise.reject(new Error("down"));
        return Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
      },
    },
    clock,
  );
  await Promise.all([1, 2, 3].map(() => assert.rejects(resolver.resolve("a.example"))));
  await assert.rejects(resolver.resolve("a.example"));
  assert.equal(asked, 1);
  clock.advance(limits.dnsFailureCacheMs);
  fails = false;
  await Promise.all([1, 2, 3].map(() => resolver.resolve("a.example")));
  assert.equal(asked, 2);
  clock.advance(limits.dnsCacheMs - 1);
  await resolver.resolve("a.example");
  assert.equal(asked, 2);
  clock.advance(1);
  await resolver.resolve("a.example");
  assert.equal(asked, 3);
});

test("the cache of names is bounded", async () => {
  const asked: string[] = [];
  const resolver = cachedResolver(
    {
      resolve(name) {
        asked.push(name);
        return Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
      },
    },
    new FakeClock(),
  );
  for (let index = 0; index <= limits.dnsCacheEntriesMax; index += 1) {
    await resolver.resolve(`n${index}.example`);
  }
  await resolver.resolve(`n${limits.dnsCacheEntriesMax}.example`);
  assert.equal(asked.length, limits.dnsCacheEntriesMax + 1);
  await resolver.resolve("n0.example");
  assert.equal(asked.length, limits.dnsCacheEntriesMax + 2);
});

test("localhost is loopback without asking anybody", async () => {
  const resolver = systemResolver(systemClock);
  const addresses = await resolver.resolve("localhost");
  assert.deepEqual(
    addresses.map(({ address }) => address),
    ["127.0.0.1", "::1"],
  );
  assert.deepEqual(await resolver.resolve("api.localhost."), addresses);
});
