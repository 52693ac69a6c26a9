import type { FastifyInstance } from "fastify";
import type { Broker } from "../broker/broker.ts";
import type { LongAnswers } from "./long-answers.ts";

/** What a group of routes gets. */
export interface RouteContext {
  readonly app: FastifyInstance;
  readonly broker: Broker;
  /** Aborted when the server closes: long polls answer at once. */
  readonly stopping: AbortSignal;
  /** Whoever sends more than fits into a socket says so here. */
  readonly answers: LongAnswers;
}
