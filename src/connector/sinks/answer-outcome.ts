import type { EpochMs } from "../../kernel/clock.ts";
import { limits } from "../../kernel/limits.ts";
import { retryAfterMs } from "../retry-after.ts";
import type { FailureFacts, Outcome } from "../sink.ts";
import type { StatusTable } from "../status-table.ts";
import type { HttpAnswer } from "./http-attempt.ts";

/** What an answer means by its status alone. */
export function judgeByStatus(answer: HttpAnswer, table: StatusTable, now: EpochMs): Outcome {
  const { status, latencyMs } = answer;
  const waitMs = retryAfterMs(answer.retryAfter, now);
  const verdict = table(status, { asksToWait: waitMs !== undefined });
  if (verdict === "delivered") return { outcome: "delivered", status, latencyMs };
  const facts = factsOf(answer, describeStatus(answer));
  switch (verdict) {
    case "retry":
    case "hold":
      return { outcome: verdict, retryAfterMs: waitMs, ...facts };
    case "gone":
    case "rejected":
      return { outcome: verdict, ...facts };
    case "redirect":
      return { outcome: "rejected", ...facts };
  }
}

export function factsOf(answer: HttpAnswer, error: string): FailureFacts {
  const { status, latencyMs } = answer;
  return { status, latencyMs, error, failure: "status", response: excerptOf(answer) };
}

/** What people are shown of a body: its start, whatever the protocol has kept. */
export function excerptOf({ body }: HttpAnswer): string | undefined {
  if (body === undefined || body.length * 3 <= limits.responseExcerptBytesMax) return body;
  const bytes = Buffer.from(body);
  return bytes.toString("utf8", 0, Math.min(bytes.length, limits.responseExcerptBytesMax));
}

function describeStatus({ status, location }: HttpAnswer): string {
  if (status < 300 || status >= 400) return `answered ${status}`;
  const goal = location === undefined ? "" : ` to ${location.slice(0, locationLengthMax)}`;
  return `answered ${status}: redirect${goal}; redirects are not followed`;
}

const locationLengthMax = 200;
