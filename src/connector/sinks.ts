/** The door to sinks: the list of protocols. A new protocol is one file and one line here. */
import { httpSink } from "./sinks/http.ts";
import type { SinkKind } from "./sinks/sink-kind.ts";
import { slackWebhookSink } from "./sinks/slack-webhook.ts";

export { createSinkContext } from "./sinks/sink-kind.ts";
export type {
  SinkConfig,
  SinkContext,
  SinkContextOptions,
  SinkInput,
  SinkKind,
} from "./sinks/sink-kind.ts";

export const sinkKinds: readonly SinkKind[] = [httpSink, slackWebhookSink];

/** The protocol of that name, capitals as in the CloudEvents specification; undefined if unknown. */
export function findSinkKind(protocol: string): SinkKind | undefined {
  return sinkKinds.find((kind) => kind.name === protocol);
}
