/**
 * Loaded before each test file (see test/run.ts). Node's `--test-timeout` fails the test that hangs
 * but lets its process live on while a timer, a socket or a busy loop holds it, so that one such
 * file would hold the whole run. The watch is a thread because a busy loop starves every timer.
 */
import { writeSync } from "node:fs";
import { isMainThread, Worker, workerData } from "node:worker_threads";

interface WatchOrder {
  readonly file: string;
  readonly timeoutMs: number;
}

function startWatch(): void {
  const order: WatchOrder = {
    file: process.argv[1] ?? "a test file",
    timeoutMs: Number(process.env["TEST_FILE_TIMEOUT_MS"] ?? 120_000),
  };
  new Worker(new URL(import.meta.url), {
    workerData: { fileTimeout: order },
    execArgv: [],
    stdin: false,
  }).unref();
}

function watch(order: WatchOrder): void {
  setTimeout(() => {
    writeSync(2, `${order.file} did not end within ${order.timeoutMs / 1000} s: killed\n`);
    process.kill(process.pid, "SIGKILL");
  }, order.timeoutMs);
}

const order: WatchOrder | undefined = isMainThread ? undefined : workerData?.fileTimeout;
// Node marks the processes of test files; the runner itself is loaded with the same flags. Threads
// that a test starts inherit the flags too, and carry no order.
if (isMainThread && process.env["NODE_TEST_CONTEXT"] !== undefined) startWatch();
else if (order !== undefined) watch(order);
