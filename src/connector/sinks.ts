/** The door to sinks: the list of protocols. A new protocol is one file and one line here. */
import { httpSink } from "./sinks/http.ts";
import type { SinkKind } from "./sinks/sink-kind.ts";
import { slackWebhookSink } from "./sinks/slack-webhook.ts";

export { checkCredential, credentialHeader } from "./credential.ts";
export type { SinkCredential } from "./credential.ts";
export { objectionToSecret } from "./signing.ts";
export { createSinkContext } from "./sinks/sink-kind.ts";
export type {
  SinkConfig,
  SinkContext,
  SinkContextOptions,
  SinkInput,
  SinkKind,
} from "./sinks/sink-kind.ts";

export { objectionsToRules } from "./status-table.ts";
export type { StatusPattern } from "./status-table.ts";

export const sinkKinds: readonly SinkKind[] = [httpSink, slackWebhookSink];

/** The protocol of that name, capitals as in the CloudEvents specification; undefined if unknown. */
export function findSinkKind(protocol: string): SinkKind | undefined {
  return sinkKinds.find((kind) => kind.name === protocol);
}
