import type { Command } from "./command.ts";
import { busCreate } from "./commands/bus-create.ts";
import { busDelete } from "./commands/bus-delete.ts";
import { busGet } from "./commands/bus-get.ts";
import { busList } from "./commands/bus-list.ts";
import { devCommand } from "./commands/dev.ts";
import { eventGet } from "./commands/event-get.ts";
import { eventPut } from "./commands/event-put.ts";
import { serveCommand } from "./commands/serve.ts";
import { subscriptionCreate } from "./commands/subscription-create.ts";
import { subscriptionDelete } from "./commands/subscription-delete.ts";
import { subscriptionGet } from "./commands/subscription-get.ts";
import { subscriptionList } from "./commands/subscription-list.ts";
import { subscriptionPause } from "./commands/subscription-pause.ts";
import { subscriptionResume } from "./commands/subscription-resume.ts";
import { subscriptionStatus } from "./commands/subscription-status.ts";

/** Every command, in the order in which the help lists them. A new one is one line here. */
export const commands: readonly Command[] = [
  serveCommand,
  devCommand,
  busCreate,
  busList,
  busGet,
  busDelete,
  eventPut,
  eventGet,
  subscriptionCreate,
  subscriptionList,
  subscriptionGet,
  subscriptionDelete,
  subscriptionPause,
  subscriptionResume,
  subscriptionStatus,
];
