/** The library door: the broker as an object, its HTTP server, and the types of its API. */
export { createBroker } from "./broker/broker.ts";
export type { Broker, BrokerHealth } from "./broker/broker.ts";
export { readConfig } from "./broker/config.ts";
export type { BrokerConfig } from "./broker/config.ts";
export { startHttpServer } from "./http/server.ts";
export type { HttpServer } from "./http/server.ts";
export { BrokerError } from "./kernel/errors.ts";
export type * from "./api/api.ts";
