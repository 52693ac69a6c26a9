/**
 * The thread that owns the state database. It takes everything that is waiting at its port into one
 * transaction; while that is being synced, the next ones gather. So a burst of commits from many
 * buses costs a few syncs, and a single one does not wait for company.
 */
import { unlinkSync } from "node:fs";
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
  const opened = openWithRoom(data);
  if (!(opened instanceof StateStore)) {
    send({ refused: opened });
    return;
  }
  port.on("message", (message: ToWorker) => {
    const { requests, isClosing } = gather(port, message, data.batchMax);
    if (requests.length > 0) {
      const isStart = requests.some(({ operation }) => operation === "issueToken");
      const relieve = (): boolean => giveUpReserve(data, { isStart });
      send({ answers: opened.execute(requests, relieve) });
    }
    if (!isClosing) return;
    opened.close();
    port.close();
  });
  send({ opened: true });
}

/** On a full disk even opening may have to write; it is tried again with a reserve given up. */
function openWithRoom(data: StateWorkerData): StateStore | StateFailure {
  const opened = openStore(data.file);
  const isFull = !(opened instanceof StateStore) && opened.code === "disk_full";
  return isFull && giveUpReserve(data, { isStart: true }) ? openStore(data.file) : opened;
}

/** Whether there was one; the main thread sees by itself that it has gone. */
function giveUpReserve(
  { reserves }: StateWorkerData,
  { isStart }: { readonly isStart: boolean },
): boolean {
  if (reserves === undefined) return false;
  const { reserveFile, startReserveFile } = reserves;
  return isRemoved(reserveFile) || (isStart && isRemoved(startReserveFile));
}

function isRemoved(file: string): boolean {
  try {
    unlinkSync(file);
    return true;
  } catch {
    // It has gone already, or the disk refuses this too: then the full disk is what is answered.
    return false;
  }
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
