/** F11: what a hostile answer costs the broker, measured in a process of its own. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { limits } from "../../src/kernel/limits.ts";
import { rawServer } from "./support.ts";

/** Sends to the URL, first to warm up and then to measure; prints by how much the RSS has grown. */
const script = `
import { makeDelivery, openSink } from ${JSON.stringify(resolve(import.meta.dirname, "support.ts"))};
const [url, format] = process.argv.slice(1);
const sink = openSink("HTTP", { sink: url, protocolsettings: { format } });
const delivery = makeDelivery({ timeoutMs: 2000 });
async function send(times) {
  for (let sent = 0; sent < times; sent += 1) {
    if (format === "batch") await sink.sendBatch([delivery, delivery]);
    else await sink.send({ timeoutMs: 2000 });
  }
  gc();
  return process.memoryUsage.rss();
}
const before = await send(100);
const after = await send(200);
await sink.sink.close();
console.log(after - before);
`;

for (const format of ["binary", "batch"]) {
  for (const head of ["HTTP/1.1 200 OK\r\n\r\n{", "HTTP/1.1 500 No\r\n\r\n"]) {
    test(`F11: endless bodies after ${head.slice(9, 12)} are cut off early and kept nowhere (${format})`, async () => {
      const block = Buffer.alloc(65_536, "x");
      let writtenMax = 0;
      await using server = await rawServer((socket) => {
        socket.on("error", () => undefined); // The sink breaks off; that is the point.
        const pour = (): void => {
          while (!socket.destroyed && socket.write(block));
        };
        socket.once("close", () => (writtenMax = Math.max(writtenMax, socket.bytesWritten)));
        socket.once("data", () => {
          socket.write(head);
          socket.on("drain", pour);
          pour();
        });
      });
      const { stdout } = await promisify(execFile)(process.execPath, [
        "--no-warnings",
        "--expose-gc",
        "--max-semi-space-size=1",
        "--input-type=module",
        "--eval",
        script,
        server.url,
        format,
      ]);
      assert.ok(Number(stdout) < 5_000_000, `the RSS grew by ${stdout.trim()} bytes`);
      // What the kernel and the two sockets buffer comes on top of what is read.
      const bytesMax = limits.responseBytesMax + 8_000_000;
      assert.ok(writtenMax < bytesMax, `${writtenMax} bytes were taken of one body`);
    });
  }
}
