import type { Subscription } from "../api/api.ts";
import type { Offset } from "../kernel/ids.ts";
import type { SubscriptionInput } from "./resource-schemas.ts";
import type { SealedSecrets } from "./subscription-secrets.ts";

/** A subscription as the store keeps it, under its id. */
export interface StoredSubscription extends Omit<SubscriptionInput, "config" | "secrets"> {
  readonly config: Subscription["config"];
  /** Absent where there never were secrets. */
  readonly sealed?: SealedSecrets;
  readonly startOffset: Offset;
  readonly warnings: readonly string[];
  readonly created: string;
  readonly updated: string;
}
