import type {
  Bus,
  Deduplication,
  Filter,
  JsonValue,
  Protocol,
  ProtocolSettings,
  Retention,
  SubscriptionConfig,
  Transformer,
} from "../api/api.ts";
import type { Violation } from "../kernel/errors.ts";
import { isName } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { formatDuration, parseDuration } from "./durations.ts";
import { describe, ObjectReader } from "./object-reader.ts";
import { readOrdering } from "./ordering-schema.ts";
import { readDuration } from "./read-duration.ts";
import { readRetry } from "./retry-schema.ts";
import type { SecretsInput } from "./subscription-secrets.ts";
import { objectionsToHeaders, readSecretsInput } from "./subscription-secrets.ts";

/**
 * Untrusted JSON in, complete resources out: defaults filled in, everything wrong reported with its
 * path. What only a connector, a filter or a log can judge is judged where the resource is made.
 */
export type BusInput = Pick<Bus, "description" | "retention" | "deduplication">;

export interface SubscriptionInput {
  readonly name: string;
  readonly bus: string;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly source: string | undefined;
  readonly types: readonly string[] | undefined;
  readonly filters: readonly Filter[];
  readonly transformer: Transformer | undefined;
  readonly protocol: Protocol;
  readonly sink: string;
  readonly protocolsettings: ProtocolSettings;
  /** Never stored as they are, and never shown. */
  readonly secrets: SecretsInput;
  /** `start` is undefined where the input has none. */
  readonly config: Omit<SubscriptionConfig, "start"> & {
    readonly start: string | number | undefined;
  };
}

export interface SourceInput {
  readonly kind: string;
  readonly bus: string;
  readonly description: string;
  readonly config: Readonly<Record<string, JsonValue>>;
  /** Undefined keeps the stored ones, null removes them. */
  readonly secrets: readonly string[] | null | undefined;
}

const READ_ONLY = [
  "id",
  "created",
  "updated",
  "warnings",
  "revision",
  "startOffset",
  "hasSecret",
  "hasSigningSecret",
  "hasSinkCredential",
];

export function checkName(what: string, name: string, violations: Violation[]): void {
  if (isName(name)) return;
  violations.push({
    path: "name",
    code: "invalid_name",
    message:
      `${what} name ${describe(name)} must be 1 to ${limits.nameLengthMax} lower-case letters, ` +
      "digits, '-' or '_', beginning with a letter or digit",
  });
}

export function readBusInput(name: string, body: unknown, violations: Violation[]): BusInput {
  const reader = new ObjectReader(body, "", violations);
  readOwnName(reader, name);
  const description = reader.text("description", { max: limits.descriptionLengthMax, absent: "" });
  const retention = readRetention(reader.object("retention"));
  const deduplication = readDeduplication(reader, retention);
  reader.ignore(...READ_ONLY);
  reader.refuseUnknown();
  return { description, retention, deduplication };
}

function readDeduplication(bus: ObjectReader, retention: Retention): Deduplication | null {
  if (bus.present("deduplication") === undefined) return null;
  const reader = bus.object("deduplication");
  const deduplication: Deduplication = {
    window: readDuration(reader, "window", {
      min: limits.deduplicationWindowMsMin,
      max: limits.deduplicationWindowMsMax,
      absent: formatDuration(limits.deduplicationWindowMsDefault),
    }),
    maxKeys: reader.integer("maxKeys", {
      min: 1,
      max: limits.deduplicationKeysMax,
      absent: limits.deduplicationKeysDefault,
    }),
  };
  // After a restart the keys come from the log: what is gone from it is not recognised any more.
  const windowMs = parseDuration(deduplication.window) ?? 0;
  const maxAgeMs = retention.maxAge === null ? undefined : parseDuration(retention.maxAge);
  if (maxAgeMs !== undefined && windowMs > maxAgeMs) {
    const message = `${describe(deduplication.window)} is longer than the events are kept (retention.maxAge ${retention.maxAge})`;
    reader.report("window", "out_of_range", message);
  }
  reader.refuseUnknown();
  return deduplication;
}

function readRetention(reader: ObjectReader): Retention {
  const maxAge = reader.value("maxAge");
  const maxBytes = reader.value("maxBytes");
  const retention: Retention = {
    maxAge:
      maxAge === null
        ? null
        : readDuration(reader, "maxAge", {
            min: limits.retentionMaxAgeMsMin,
            max: limits.retentionMaxAgeMsMax,
            absent: formatDuration(limits.retentionMaxAgeMsDefault),
          }),
    maxBytes:
      maxBytes === null || maxBytes === undefined
        ? null
        : reader.integer("maxBytes", { min: 1, max: Number.MAX_SAFE_INTEGER, absent: 1 }),
    keepUnread: reader.flag("keepUnread", false),
  };
  reader.refuseUnknown();
  return retention;
}

export function readSubscriptionInput(
  body: unknown,
  violations: Violation[],
  options: { readonly mayLackSink?: boolean } = {},
): SubscriptionInput {
  const reader = new ObjectReader(body, "", violations);
  const mayLackSink = options.mayLackSink === true;
  const input: SubscriptionInput = {
    name: reader.text("name", { max: limits.labelLengthMax, absent: "" }),
    bus: mayLackSink
      ? reader.text("bus", { max: limits.nameLengthMax, absent: "" })
      : reader.requiredText("bus", limits.nameLengthMax),
    description: reader.text("description", { max: limits.descriptionLengthMax, absent: "" }),
    labels: reader.textMap("labels", { entries: limits.labelsMax, length: limits.labelLengthMax }),
    source: readSourceShorthand(reader),
    types: readTypes(reader),
    filters: readFilters(reader),
    transformer: readTransformer(reader),
    protocol: readProtocol(reader, mayLackSink),
    sink: mayLackSink
      ? reader.text("sink", { max: limits.sinkUrlLengthMax, absent: "" })
      : reader.requiredText("sink", limits.sinkUrlLengthMax),
    protocolsettings: readProtocolSettings(reader.object("protocolsettings")),
    secrets: readSecretsInput(reader, violations),
    config: readConfigMember(reader.object("config")),
  };
  violations.push(...objectionsToHeaders(input.protocolsettings, input.secrets.credential));
  reader.ignore(...READ_ONLY);
  reader.refuseUnknown();
  return input;
}

function readSourceShorthand(reader: ObjectReader): string | undefined {
  const source = reader.text("source", { max: limits.sinkUrlLengthMax, absent: "" });
  if (reader.present("source") === "") {
    const message = "must not be empty; leave it out to match every source";
    reader.report("source", "invalid_value", message);
  }
  return source === "" ? undefined : source;
}

function readTypes(reader: ObjectReader): readonly string[] | undefined {
  const value = reader.present("types");
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) {
    reader.report("types", "wrong_type", `must be a list of event types, not ${describe(value)}`);
    return undefined;
  }
  if (value.length === 0 || value.length > limits.filterNodesMax) {
    const message = `must list 1 to ${limits.filterNodesMax} event types; leave it out to match every type`;
    reader.report("types", "out_of_range", message);
    return undefined;
  }
  const types = value.filter((each: unknown, index): each is string => {
    if (typeof each === "string" && each !== "") return true;
    reader.report(`types[${index}]`, "wrong_type", "must be a string that is not empty");
    return false;
  });
  // Nothing usable is left, and that has been said: the filter compiler need not say it again.
  return types.length === 0 ? undefined : types;
}

/** The list only; the filter compiler judges its elements, and names the path of each error. */
function readFilters(reader: ObjectReader): readonly Filter[] {
  const value = reader.present("filters");
  if (value === undefined) return [];
  if (Array.isArray(value)) return value as readonly Filter[];
  reader.report("filters", "wrong_type", `must be a list of filters, not ${describe(value)}`);
  return [];
}

function readTransformer(reader: ObjectReader): Transformer | undefined {
  const value = reader.present("transformer");
  if (value === undefined) return undefined;
  if (typeof value === "object" && !Array.isArray(value)) return value as Transformer;
  reader.report("transformer", "wrong_type", `must be an object, not ${describe(value)}`);
  return undefined;
}

const PROTOCOLS: readonly string[] = ["HTTP", "slack-webhook"] satisfies Protocol[];
const LATER_PROTOCOLS = ["MQTT3", "MQTT5", "AMQP", "NATS", "KAFKA"];

function readProtocol(reader: ObjectReader, mayBeAbsent: boolean): Protocol {
  const value = reader.present("protocol");
  if (typeof value === "string" && PROTOCOLS.includes(value)) return value as Protocol;
  if (value === undefined) {
    if (!mayBeAbsent) reader.report("protocol", "missing", "is required; for example HTTP");
  } else if (typeof value === "string" && LATER_PROTOCOLS.includes(value)) {
    reader.report("protocol", "not_supported_yet", `${value} is not supported by this version yet`);
  } else {
    const message = `unknown protocol ${describe(value)}; known: ${PROTOCOLS.join(", ")} (capitals matter)`;
    reader.report("protocol", "unknown_protocol", message);
  }
  return "HTTP";
}

/** As given, without members that are null: the protocol's own kind of sink judges them. */
function readProtocolSettings(reader: ObjectReader): ProtocolSettings {
  const present = Object.entries(reader.entries()).filter(([, value]) => value !== null);
  return Object.fromEntries(present);
}

function readConfigMember(reader: ObjectReader): SubscriptionInput["config"] {
  const start = reader.present("start");
  if (start !== undefined && typeof start !== "string" && typeof start !== "number") {
    const message = `must be "latest", "earliest", an offset or an RFC 3339 time, not ${describe(start)}`;
    reader.report("start", "wrong_type", message);
  }
  const config = {
    start: start as string | number | undefined,
    concurrency: reader.integer("concurrency", {
      min: 1,
      max: limits.concurrencyMax,
      absent: limits.concurrencyDefault,
    }),
    rateLimit: reader.integer("rateLimit", { min: 0, max: limits.rateLimitMax, absent: 0 }),
    circuitKey: readCircuitKey(reader),
    timeoutMs: reader.integer("timeoutMs", {
      min: 1,
      max: limits.timeoutMsMax,
      absent: limits.timeoutMsDefault,
    }),
    retry: readRetry(reader.object("retry")),
    deadLetter: reader.flag("deadLetter", true),
    paused: reader.flag("paused", false),
    ordering: readOrdering(reader),
  };
  reader.later({ replyBus: [null] });
  reader.refuseUnknown();
  return config;
}

function readCircuitKey(reader: ObjectReader): string | null {
  const key = reader.text("circuitKey", { max: limits.circuitKeyLengthMax, absent: "" });
  if (reader.present("circuitKey") === "") {
    const message = "must not be empty; leave it out for a circuit of its own";
    reader.report("circuitKey", "invalid_value", message);
  }
  return key === "" ? null : key;
}

export function readSourceInput(name: string, body: unknown, violations: Violation[]): SourceInput {
  const reader = new ObjectReader(body, "", violations);
  readOwnName(reader, name);
  const config = reader.object("config");
  const input: SourceInput = {
    kind: reader.requiredText("kind", limits.nameLengthMax),
    bus: reader.requiredText("bus", limits.nameLengthMax),
    description: reader.text("description", { max: limits.descriptionLengthMax, absent: "" }),
    config: config.entries() as Readonly<Record<string, JsonValue>>,
    secrets: readSecrets(reader),
  };
  reader.ignore(...READ_ONLY);
  reader.refuseUnknown();
  return input;
}

function readSecrets(reader: ObjectReader): readonly string[] | null | undefined {
  const value = reader.value("secret");
  if (value === undefined || value === null) return value;
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const isFine = (each: unknown): boolean =>
    typeof each === "string" && each !== "" && each.length <= limits.secretLengthMax;
  if (list.length >= 1 && list.length <= limits.secretsMax && list.every(isFine)) {
    return list as readonly string[];
  }
  // The value stays out of the message: it may be a secret with one character too many.
  reader.report(
    "secret",
    "invalid_value",
    `must be a string, or a list of 1 to ${limits.secretsMax} strings while rotating (new one first), ` +
      `each of 1 to ${limits.secretLengthMax} characters`,
  );
  return undefined;
}

/** A name in the body may repeat the one in the path. */
function readOwnName(reader: ObjectReader, name: string): void {
  const given = reader.present("name");
  if (given === undefined || given === name) return;
  reader.report("name", "immutable", `is ${describe(given)} but the path says '${name}'`);
}
