import type { CloudEvent } from "../event/event.ts";
import type { Clock } from "../kernel/clock.ts";
import type { ErrorCode } from "../kernel/error-codes.ts";
import type { Violation } from "../kernel/errors.ts";
import type { Random } from "../kernel/random.ts";

/** A request that came in at POST /hooks/{source}. */
export interface WebhookRequest {
  readonly method: string;
  /** Lower-case names; of repeated headers the first. */
  readonly headers: ReadonlyMap<string, string>;
  readonly query: ReadonlyMap<string, string>;
  /** The bytes as they came: signatures are made over these. */
  readonly body: Uint8Array;
}

export type WebhookVerdict =
  /** Append all of these in one batch, then answer with `status`. */
  | { readonly verdict: "publish"; readonly events: readonly CloudEvent[]; readonly status: number }
  /** A handshake: answer, publish nothing. */
  | {
      readonly verdict: "answer";
      readonly status: number;
      readonly contentType: string;
      readonly body: string;
    }
  | { readonly verdict: "refuse"; readonly code: ErrorCode; readonly message: string };

export interface WebhookSource {
  receive(request: WebhookRequest): WebhookVerdict;
}

export interface SourceContext {
  /** More than one while rotating; any of them verifies. */
  readonly secrets: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  readonly random: Random;
}

/** One kind of source: `github`. What shared code needs to know of it is said here, as data. */
export interface SourceKind {
  readonly name: string;
  readonly summary: string;
  /** A kind that signs is refused without a secret. */
  readonly signs: boolean;
  /** What is wrong with the config, paths relative to it; empty = fine. */
  validate(config: Readonly<Record<string, unknown>>): readonly Violation[];
  open(context: SourceContext): WebhookSource;
}
