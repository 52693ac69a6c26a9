/** F17 on a real process whose wall clock is set by libfaketime, where that is installed. */
import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { test } from "node:test";
import { sendJson, startBrokerProcess, temporaryDirectory } from "../support/broker-process.ts";
import { BusBook, testEvent } from "./ledger.ts";
import { assertKept, readBack } from "./readback.ts";

const [library] = globSync("/usr/lib/{*/,}faketime/libfaketime.so.1");

test("F17, P1: starts ten years ahead and ten days back delete nothing and keep the order", async (t) => {
  if (library === undefined) {
    t.skip("libfaketime is not installed");
    return;
  }
  await using directory = await temporaryDirectory();
  const book = new BusBook("clock");
  for (const [round, jump] of ["+0d", "+3650d", "-10d", "+0d"].entries()) {
    const env = { LD_PRELOAD: library, FAKETIME: jump, FAKETIME_DONT_FAKE_MONOTONIC: "1" };
    const broker = await startBrokerProcess({ dataDir: directory.path, env });
    try {
      await sendJson("PUT", `${broker.url}/v1/buses/clock`, { retention: { maxAge: "7d" } });
      for (let index = 0; index < 20; index++) {
        const event = testEvent(`event-${round}-${index}`);
        book.send(event.id);
        const answer = await fetch(`${broker.url}/v1/buses/clock/events`, {
          method: "POST",
          headers: {
            "ce-specversion": "1.0",
            "ce-id": event.id,
            "ce-source": "/crash-test",
            "ce-type": event.type,
            "content-type": event.contentType,
          },
          body: new Uint8Array(event.data),
        });
        assert.equal(answer.status, 202, await answer.text());
        book.acknowledge(Number(answer.headers.get("millrace-offset")), event.id);
      }
      // Long enough for retention to have looked.
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assertKept(book, await readBack(broker.url, "clock"));
      assert.equal(await broker.stop(), 0);
    } finally {
      await broker.kill();
    }
  }
});
