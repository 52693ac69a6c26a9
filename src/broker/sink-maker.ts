import type { OpenSink } from "../connector/sink.ts";
import { createSinkContext, findSinkKind } from "../connector/sinks.ts";
import type { SinkKind } from "../connector/sinks.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/logger.ts";
import type { SubscriptionInput } from "./resource-schemas.ts";
import type { SinkSecrets } from "./subscription-secrets.ts";

/** The members of a subscription that say where and how it sends. */
export type SinkMembers = Pick<SubscriptionInput, "protocol" | "sink" | "protocolsettings"> & {
  readonly config: Pick<SubscriptionInput["config"], "concurrency" | "timeoutMs" | "retry">;
};

export interface SinkMaker {
  check(input: SinkMembers): readonly Violation[];
  open(input: SinkMembers, secrets: SinkSecrets): OpenSink;
  close(): Promise<void>;
}

export interface SinkMakerOptions {
  readonly allowPrivateSinks: boolean;
  readonly allowSinks: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export function createSinkMaker(options: SinkMakerOptions): SinkMaker {
  const context = createSinkContext(options);
  return {
    check: (input) => findSinkKind(input.protocol)?.validate(input, context) ?? [],
    open(input, { signing, credential }) {
      const { sink, protocolsettings, config } = input;
      const { concurrency, timeoutMs, retry } = config;
      const statusRules = { retryOn: retry.retryOn ?? [], failOn: retry.failOn ?? [] };
      return kindOf(input).open(
        { sink, protocolsettings, signing, credential, statusRules, concurrency, timeoutMs },
        context,
      );
    },
    close: () => Promise.resolve(),
  };
}

function kindOf({ protocol }: SinkMembers): SinkKind {
  const kind = findSinkKind(protocol);
  if (kind === undefined) throw new BrokerError("not_supported_yet", `no sink speaks ${protocol}`);
  return kind;
}
