import type { Clock } from "../../kernel/clock.ts";
import type { Violation } from "../../kernel/errors.ts";
import type { Logger } from "../../kernel/logger.ts";
import type { SinkCredential } from "../credential.ts";
import { Deadlines } from "../deadlines.ts";
import type { NameResolver } from "../name-resolver.ts";
import { cachedResolver, systemResolver } from "../name-resolver.ts";
import type { NetworkPolicy } from "../network-guard.ts";
import { NetworkGuard } from "../network-guard.ts";
import type { OpenSink } from "../sink.ts";
import type { StatusRules } from "../status-table.ts";

/** What all sinks of a broker share: one policy, one cache of names, one timer wheel. */
export interface SinkContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly guard: NetworkGuard;
  readonly deadlines: Deadlines;
}

export interface SinkContextOptions extends NetworkPolicy {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: the system's name servers. Its answers are cached here. */
  readonly resolver?: NameResolver;
}

export function createSinkContext(options: SinkContextOptions): SinkContext {
  const { clock, logger } = options;
  const resolver = cachedResolver(options.resolver ?? systemResolver(clock), clock);
  return {
    clock,
    logger,
    guard: new NetworkGuard(options, resolver),
    deadlines: new Deadlines(clock),
  };
}

/** The members of a subscription that its protocol judges, unchecked. */
export interface SinkInput {
  readonly sink: unknown;
  readonly protocolsettings: unknown;
}

export interface SinkConfig extends SinkInput {
  /** Standard Webhooks secrets; with two, each request carries two signatures. Mostly none. */
  readonly signing?: readonly string[];
  readonly credential?: SinkCredential | undefined;
  /** What the subscription says of statuses itself. */
  readonly statusRules?: StatusRules;
  /** At most this many requests, and connections, at once. */
  readonly concurrency: number;
  /** The subscription's timeoutMs; connecting takes no longer either. */
  readonly timeoutMs: number;
}

/** One protocol of sinks. What shared code needs to know of it is said here. */
export interface SinkKind {
  /** As in the member `protocol` of a subscription. */
  readonly name: string;
  readonly summary: string;
  /** Everything that is wrong with the input; paths are those of the subscription. */
  validate(input: SinkInput, context: Pick<SinkContext, "guard">): readonly Violation[];
  /** Opens no connection yet. The config has passed `validate`, or this throws. */
  open(config: SinkConfig, context: SinkContext): OpenSink;
}
