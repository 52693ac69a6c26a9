import type { Offset, SubscriptionId } from "../kernel/ids.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { CircuitNews } from "./circuits.ts";
import { Committer } from "./committer.ts";
import type { Consumer } from "./consumer.ts";
import type { BusDeliveryOptions } from "./contract.ts";
import { Dispatcher } from "./dispatcher.ts";
import { LagReader } from "./lag-reader.ts";
import { LiveGroup } from "./live-group.ts";
import { RecordFetcher } from "./record-fetcher.ts";
import { RecordReader } from "./record-reader.ts";
import { Settler } from "./settler.ts";
import type { SteadyTime } from "./steady-time.ts";
import { WakeUps } from "./wake-ups.ts";

/** Everything that lives from start to stop. */
export interface Machinery {
  readonly reader: RecordReader;
  readonly group: LiveGroup;
  readonly lagReader: LagReader;
  readonly fetcher: RecordFetcher;
  readonly dispatcher: Dispatcher;
  readonly committer: Committer;
  readonly wakeUps: WakeUps;
}

/** What the parts ask of the whole. */
export interface MachineryHooks {
  /** A consumer has had its turn at sending. */
  readonly afterTurn: (consumer: Consumer) => void;
  /** It may have something to send. */
  readonly wake: (consumer: Consumer) => void;
  /** There is nobody to send to. */
  readonly sleep: (consumer: Consumer) => void;
  readonly halt: (why: string) => void;
  readonly onLetter: (subscription: SubscriptionId) => void;
  readonly onCircuit: (consumer: Consumer, news: CircuitNews) => void;
}

export interface MachineryOptions {
  readonly options: BusDeliveryOptions;
  readonly time: SteadyTime;
  readonly position: Offset;
  readonly attemptLog: AttemptLog;
  readonly hooks: MachineryHooks;
}

/** Makes the parts and joins them; nothing runs yet. */
export function buildMachinery(built: MachineryOptions): Machinery {
  const { options, time, hooks } = built;
  const { bus, log, consumerState: store, clock, logger } = options;
  const reader = new RecordReader(log);
  const group = buildGroup(built, reader, () => parts);
  const onChanged = (consumer: Consumer): void => parts.committer.changed(consumer);
  const lagReader = new LagReader({
    group,
    reader,
    clock,
    logger,
    onChanged,
    onMatched: hooks.wake,
  });
  const fetcher = new RecordFetcher({
    bus,
    log,
    store,
    reader,
    clock,
    logger,
    onFetched: (consumer) => {
      onChanged(consumer);
      hooks.wake(consumer);
    },
  });
  const committer = buildCommitter(built, group, () => parts);
  const dispatcher = new Dispatcher({
    bus,
    clock,
    time,
    logger,
    settler: buildSettler(built, () => parts),
    isStalled: () => committer.isStalled,
    afterTurn: hooks.afterTurn,
  });
  const wakeUps = new WakeUps({ clock, time, wake: hooks.wake });
  const parts: Machinery = { reader, group, lagReader, fetcher, dispatcher, committer, wakeUps };
  return parts;
}

function buildGroup(
  { options, position }: MachineryOptions,
  reader: RecordReader,
  parts: () => Machinery,
): LiveGroup {
  const { log, clock, logger } = options;
  return new LiveGroup({
    log,
    reader,
    clock,
    logger,
    position,
    onMatched: (consumer) => {
      parts().committer.changed(consumer);
      parts().dispatcher.ready(consumer);
    },
    onChanged: (consumer) => parts().committer.changed(consumer),
    onLeft: (consumer) => parts().lagReader.consider(consumer),
    onMoved: () => {
      parts().committer.positionMoved();
      parts().dispatcher.drain();
    },
  });
}

function buildCommitter(
  { options, attemptLog, hooks }: MachineryOptions,
  group: LiveGroup,
  parts: () => Machinery,
): Committer {
  const { bus, consumerState: store, lease, clock, logger } = options;
  return new Committer({
    bus,
    store,
    lease,
    clock,
    logger,
    attemptLog,
    position: () => group.position,
    onReleased: (consumer) => parts().dispatcher.ready(consumer),
    onCommitted: () => parts().dispatcher.drain(),
    onFenced: () => hooks.halt("another broker holds the bus"),
  });
}

function buildSettler(built: MachineryOptions, parts: () => Machinery): Settler {
  const { options, time, attemptLog, hooks } = built;
  const { clock, random, onAttempt, onGone } = options;
  return new Settler({
    clock,
    time,
    random,
    onAttempt,
    attemptLog,
    onGone,
    onLetter: (letter) => {
      parts().committer.addLetter(letter);
      hooks.onLetter(letter.subscription);
    },
    onChanged: (consumer) => parts().committer.changed(consumer),
    onCircuit: hooks.onCircuit,
    onDormant: hooks.sleep,
  });
}
