export { attemptOf } from "./attempt-log.ts";
export { createBusDelivery } from "./bus-delivery.ts";
export { Circuits } from "./circuits.ts";
export type { OrderingPlan } from "./ordering.ts";
export { previewOf } from "./dead-letter.ts";
export { findEvent, findEvents } from "./find-event.ts";
export type { FoundEvent } from "./find-event.ts";
export type { LetterStock, LetterWork, RedriveRequest, ReplayView } from "./letter-work.ts";
export type { LetterSelection, Replay } from "./replay.ts";
export { transformed } from "./transformed.ts";
export type {
  AttemptNotice,
  BlockedDecision,
  BufferBudget,
  BusDelivery,
  BusDeliveryOptions,
  DeadLetterDetails,
  DeliveryStatus,
  EventPlace,
  RetryPlan,
  SubscriptionPlan,
  UnreadMark,
} from "./contract.ts";
