/** What an answer with this status means for the delivery (DESIGN.md §4). */
export type StatusVerdict = "delivered" | "retry" | "hold" | "gone" | "redirect" | "rejected";

/** Statuses below 500 that time may mend: 404 comes up while a service wakes from zero. */
const retried: ReadonlySet<number> = new Set([404, 408, 409, 425]);

/** `asksToWait`: the answer has a Retry-After that lies in the future. */
export function judgeStatus(
  status: number,
  { asksToWait }: { readonly asksToWait: boolean },
): StatusVerdict {
  if (status >= 200 && status < 300) return "delivered";
  if (status === 429 || (status === 503 && asksToWait)) return "hold";
  if (status === 410) return "gone";
  if (status >= 300 && status < 400) return "redirect";
  if (retried.has(status) || (status >= 500 && status < 600)) return "retry";
  return "rejected";
}
