/** An event's position on its bus: 0, 1, 2 … Fits 2^53. */
export type Offset = number;

declare const brand: unique symbol;

/**
 * A valid bus name (`[a-z0-9][a-z0-9_-]{0,62}`). The brand is optional: a checked string becomes
 * one without a cast, yet the three kinds of names cannot be mixed up.
 */
export type BusName = string & { readonly [brand]?: "BusName" };
export type SubscriptionId = string & { readonly [brand]?: "SubscriptionId" };
export type SourceName = string & { readonly [brand]?: "SourceName" };

/** Names of buses and sources; one linear pattern, no user text in it. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export function isName(text: string): boolean {
  return NAME.test(text);
}
