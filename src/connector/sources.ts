/** The door to sources: the list of their kinds. A new provider is one definition and one line. */
import { github } from "./catalog/github.ts";
import type { SourceKind } from "./source.ts";
import { webhookSourceKind } from "./sources/webhook-engine.ts";

export { webhookSourceKind } from "./sources/webhook-engine.ts";
export type { WebhookDefinition } from "./sources/webhook-definition.ts";

export const sourceKinds: readonly SourceKind[] = [webhookSourceKind(github)];

export function findSourceKind(name: string): SourceKind | undefined {
  return sourceKinds.find((kind) => kind.name === name);
}
