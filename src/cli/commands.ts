import type { Command } from "./command.ts";
import { busCreate } from "./commands/bus-create.ts";
import { busDelete } from "./commands/bus-delete.ts";
import { busExport } from "./commands/bus-export.ts";
import { busGet } from "./commands/bus-get.ts";
import { busImport } from "./commands/bus-import.ts";
import { busList } from "./commands/bus-list.ts";
import { deadLetterExport } from "./commands/dead-letter-export.ts";
import { deadLetterGet } from "./commands/dead-letter-get.ts";
import { deadLetterList } from "./commands/dead-letter-list.ts";
import { deadLetterPurge } from "./commands/dead-letter-purge.ts";
import { deadLetterRedrive } from "./commands/dead-letter-redrive.ts";
import { delayedCancel } from "./commands/delayed-cancel.ts";
import { delayedList } from "./commands/delayed-list.ts";
import { dataRepair } from "./commands/data-repair.ts";
import { dataStatsCommand } from "./commands/data-stats.ts";
import { dataVerify } from "./commands/data-verify.ts";
import { devCommand } from "./commands/dev.ts";
import { eventGet } from "./commands/event-get.ts";
import { eventPut } from "./commands/event-put.ts";
import { eventTail } from "./commands/event-tail.ts";
import { playgroundCommand } from "./commands/playground.ts";
import { replayCancel } from "./commands/replay-cancel.ts";
import { replayGet } from "./commands/replay-get.ts";
import { replayList } from "./commands/replay-list.ts";
import { serveCommand } from "./commands/serve.ts";
import { subscriptionAttempts } from "./commands/subscription-attempts.ts";
import { subscriptionCreate } from "./commands/subscription-create.ts";
import { subscriptionDelete } from "./commands/subscription-delete.ts";
import { subscriptionExplain } from "./commands/subscription-explain.ts";
import { subscriptionGet } from "./commands/subscription-get.ts";
import { subscriptionList } from "./commands/subscription-list.ts";
import { subscriptionPause } from "./commands/subscription-pause.ts";
import { subscriptionResume } from "./commands/subscription-resume.ts";
import { subscriptionSecrets } from "./commands/subscription-secrets.ts";
import { subscriptionSeek } from "./commands/subscription-seek.ts";
import { subscriptionStatus } from "./commands/subscription-status.ts";
import { subscriptionUnblock } from "./commands/subscription-unblock.ts";
import { testCommand } from "./commands/test.ts";

/** Every command, in the order in which the help lists them. A new one is one line here. */
export const commands: readonly Command[] = [
  serveCommand,
  devCommand,
  busCreate,
  busList,
  busGet,
  busDelete,
  busExport,
  busImport,
  eventPut,
  eventGet,
  eventTail,
  delayedList,
  delayedCancel,
  subscriptionCreate,
  subscriptionList,
  subscriptionGet,
  subscriptionDelete,
  subscriptionPause,
  subscriptionResume,
  subscriptionSecrets,
  subscriptionSeek,
  subscriptionUnblock,
  subscriptionStatus,
  subscriptionAttempts,
  subscriptionExplain,
  deadLetterList,
  deadLetterGet,
  deadLetterRedrive,
  deadLetterPurge,
  deadLetterExport,
  replayList,
  replayGet,
  replayCancel,
  dataVerify,
  dataRepair,
  dataStatsCommand,
  playgroundCommand,
  testCommand,
];
