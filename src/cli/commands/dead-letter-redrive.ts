import type { Replay } from "../../api/api.ts";
import { sleep, systemClock } from "../../kernel/clock.ts";
import type { Command, CommandContext, FlagValues } from "../command.ts";
import { listFlag, textFlag, UsageError } from "../command.ts";
import { isEmptyFilter, letterFilter, letterFilterFlags, replayFacts } from "./dead-letter-view.ts";
import { findSubscription, subscriptionArgument } from "./subscription-view.ts";

const POLL_MS = 250;
const PROGRESS_MS = 2000;

export const deadLetterRedrive: Command = {
  noun: "dead-letter",
  verb: "redrive",
  summary: "Send dead letters again, and follow how far it is.",
  arguments: [subscriptionArgument],
  flags: [
    { flag: "--letter <id>", summary: "this one; may be repeated", repeats: true },
    ...letterFilterFlags,
    { flag: "--all", summary: "every letter there is" },
    { flag: "--rate <per-second>", summary: "so many a second at most" },
    {
      flag: "--sink <url>",
      summary: "to another HTTP sink; its letters are deleted when delivered",
    },
    { flag: "--detach", summary: "do not wait; replay get shows how far it is" },
  ],
  examples: [
    "millrace dead-letter redrive star-to-slack --all",
    "millrace dead-letter redrive star-to-slack --reason rejected --rate 10",
    "millrace dead-letter redrive star-to-slack --letter 6f0c2a9e-51d0-4c5c-8a54-6f1f3d3f9a10",
  ],
  async run(context, [key = ""], flags) {
    const body = {
      ...selectionOf(flags),
      ratePerSecond: rateOf(flags),
      sink: textFlag(flags, "sink"),
    };
    const { id } = await findSubscription(context.client, key);
    const begun = await context.client.redriveDeadLetters(id, body);
    const replay = flags["detach"] === true ? begun : await follow(context, id, begun);
    return {
      data: replay,
      view: { as: "facts", facts: replayFacts(replay) },
      // Somebody who waits wants to know by the status whether all of it arrived.
      exitCode: isShort(replay) ? 1 : 0,
    };
  },
};

function isShort({ state, progress }: Replay): boolean {
  return state === "failed" || (state === "done" && progress.delivered < progress.redriven);
}

async function follow(context: CommandContext, id: string, begun: Replay): Promise<Replay> {
  let replay = begun;
  let toldAt = systemClock.monotonic();
  while (replay.ended === null) {
    await sleep(systemClock, POLL_MS);
    replay = await context.client.replay(id, begun.id);
    if (systemClock.monotonic() - toldAt < PROGRESS_MS) continue;
    toldAt = systemClock.monotonic();
    const { total, redriven, delivered } = replay.progress;
    const why = replay.state === "paused" ? `, paused: ${replay.reason ?? ""}` : "";
    context.notice(`${redriven} of ${total} redriven, ${delivered} delivered${why}`);
  }
  return replay;
}

function selectionOf(flags: FlagValues): Readonly<Record<string, unknown>> {
  const letters = listFlag(flags, "letter");
  const filter = letterFilter(flags);
  const isAll = flags["all"] === true;
  const given = [letters.length > 0, !isEmptyFilter(filter), isAll].filter(Boolean).length;
  if (given !== 1) {
    throw new UsageError("say which letters: --all, one or more --letter, or at least one filter");
  }
  if (isAll) return { all: true };
  return letters.length > 0 ? { letters } : { filter };
}

function rateOf(flags: FlagValues): number | undefined {
  const text = textFlag(flags, "rate");
  if (text === undefined) return undefined;
  const rate = Number(text);
  if (text.trim() !== "" && rate > 0) return rate;
  throw new UsageError(`--rate takes a number above 0, not '${text}'`);
}
