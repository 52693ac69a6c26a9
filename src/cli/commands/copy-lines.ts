import { systemClock } from "../../kernel/clock.ts";
import type { CommandContext } from "../command.ts";

const PROGRESS_MS = 2000;
const LINE_FEED = 0x0a;

/** Copies lines to standard output and tells now and then how many there were. */
export async function copyLines(
  lines: AsyncIterable<Uint8Array>,
  context: Pick<CommandContext, "write" | "notice">,
  what: string,
): Promise<void> {
  let count = 0;
  let toldAt = systemClock.monotonic();
  let isLong = false;
  for await (const chunk of lines) {
    await context.write(chunk);
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) {
      count += 1;
    }
    if (systemClock.monotonic() - toldAt < PROGRESS_MS) continue;
    toldAt = systemClock.monotonic();
    isLong = true;
    context.notice(`${count} ${what} so far`);
  }
  if (isLong) context.notice(`${count} ${what} exported`);
}
