/**
 * The thread that owns the state database. It takes everything that is waiting at its port into one
 * transaction; while that is being synced, the next ones gather. So a burst of commits from many
 * buses costs a few syncs, and a single one does not wait for company.
 */
import type { MessagePort } from "node:worker_threads";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { assert } from "../../kernel/assert.ts";
import { BrokerError } from "../../kernel/errors.ts";
import { sqliteFailure } from "./sqlite-failure.ts";
import type {
  FromWorker,
  StateFailure,
  StateRequest,
  StateWorkerData,
  ToWorker,
} from "./state-protocol.ts";
import { StateStore } from "./state-store.ts";

function main(port: MessagePort, data: StateWorkerData): void {
  const send = (message: FromWorker): void => port.postMessage(message);
  const opened = openStore(data.file);
  if (!(opened instanceof StateStore)) {
    send({ refused: opened });
    return;
  }
  port.on("message", (message: ToWorker) => {
    const { requests, isClosing } = gather(port, message, data.batchMax);
    if (requests.length > 0) send({ answers: opened.execute(requests) });
    if (!isClosing) return;
    opened.close();
    port.close();
  });
  send({ opened: true });
}

function openStore(file: string): StateStore | StateFailure {
  try {
    return new StateStore(file);
  } catch (error) {
    if (error instanceof BrokerError) return { code: error.code, message: error.message };
    const failure = sqliteFailure(error);
    return { ...failure, message: `${file} cannot be opened: ${failure.message}` };
  }
}

interface Gathered {
  readonly requests: readonly StateRequest[];
  readonly isClosing: boolean;
}

function gather(port: MessagePort, first: ToWorker, batchMax: number): Gathered {
  const requests: StateRequest[] = [];
  let message: ToWorker | undefined = first;
  while (message !== undefined) {
    if ("close" in message) return { requests, isClosing: true };
    requests.push(message.request);
    if (requests.length === batchMax) break;
    message = receiveMessageOnPort(port)?.message as ToWorker | undefined;
  }
  return { requests, isClosing: false };
}

assert(parentPort !== null, "the state database runs in a thread of its own");
main(parentPort, workerData as StateWorkerData);
