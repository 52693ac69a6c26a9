export { createBusDelivery } from "./bus-delivery.ts";
export type {
  AttemptNotice,
  BufferBudget,
  BusDelivery,
  BusDeliveryOptions,
  DeadLetterDetails,
  DeliveryStatus,
  RetryPlan,
  SubscriptionPlan,
} from "./contract.ts";
