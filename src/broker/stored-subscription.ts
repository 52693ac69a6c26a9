import type { Subscription } from "../api/api.ts";
import type { Offset } from "../kernel/ids.ts";
import type { SubscriptionInput } from "./resource-schemas.ts";

/** A subscription as the store keeps it, under its id. */
export interface StoredSubscription extends Omit<SubscriptionInput, "config"> {
  readonly config: Subscription["config"];
  readonly startOffset: Offset;
  readonly warnings: readonly string[];
  readonly created: string;
  readonly updated: string;
}
