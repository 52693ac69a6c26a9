import pino from "pino";
import type { Logger } from "../kernel/logger.ts";
import type { BrokerConfig } from "./config.ts";

const STANDARD_ERROR = 2;

/** One JSON line each on standard error; standard output belongs to the command line. */
export function createProcessLogger(level: BrokerConfig["logLevel"]): Logger {
  const lines = pino({ level, base: null }, pino.destination({ fd: STANDARD_ERROR, sync: true }));
  return {
    debug: (fields, message) => lines.debug(fields, message),
    info: (fields, message) => lines.info(fields, message),
    warn: (fields, message) => lines.warn(fields, message),
    error: (fields, message) => lines.error(fields, message),
  };
}
