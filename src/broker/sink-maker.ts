import type { OpenSink } from "../connector/sink.ts";
import { createSinkContext, findSinkKind } from "../connector/sinks.ts";
import type { SinkKind } from "../connector/sinks.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/logger.ts";
import type { SubscriptionInput } from "./resource-schemas.ts";

export interface SinkMaker {
  check(input: SubscriptionInput): readonly Violation[];
  open(input: SubscriptionInput): OpenSink;
  close(): Promise<void>;
}
export interface SinkMakerOptions {
  readonly allowPrivateSinks: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}
export function createSinkMaker(options: SinkMakerOptions): SinkMaker {
  const context = createSinkContext(options);
  return {
    check: (input) => findSinkKind(input.protocol)?.validate(input, context) ?? [],
    open(input) {
      const { sink, protocolsettings, config } = input;
      const { concurrency, timeoutMs } = config;
      return kindOf(input).open({ sink, protocolsettings, concurrency, timeoutMs }, context);
    },
    close: () => Promise.resolve(),
  };
}
function kindOf({ protocol }: SubscriptionInput): SinkKind {
  const kind = findSinkKind(protocol);
  if (kind === undefined) throw new BrokerError("not_supported_yet", `no sink speaks ${protocol}`);
  return kind;
}
