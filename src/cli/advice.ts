import type { ErrorCode } from "../kernel/error-codes.ts";

/**
 * The ways out in the words of the command line, for errors whose own advice names HTTP calls. Errors
 * that are not here say it well for everybody.
 */
const advices: Partial<Record<ErrorCode, string>> = {
  bus_not_found:
    "`millrace bus list` shows what there is, `millrace bus create <bus>` makes a new one.",
  subscription_not_found: "`millrace subscription list` shows what there is.",
  delayed_not_found:
    "It was appended or cancelled; `millrace delayed list <bus>` shows those that wait.",
  already_exists: "Choose another name.",
  precondition_failed: "Choose another name; `millrace bus list` shows those that are taken.",
  in_use: "Delete those first, or everything at once with --cascade.",
  invalid_resource: "Mend what is named above; nothing was changed.",
  event_not_found: "Read what there is with `millrace event get <bus> earliest --limit 10`.",
};

/** What to do about the error of this code; `given` is what the broker said. */
export function adviceFor(code: string, given: string): string {
  return Object.hasOwn(advices, code) ? (advices[code as ErrorCode] ?? given) : given;
}
