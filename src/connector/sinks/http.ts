import { canBeBinary, encodeBinary, structuredContentType } from "../../event/http-binding.ts";
import { encodeStructured } from "../../event/json-format.ts";
import { asBuffer } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { isObject } from "../../kernel/unchecked.ts";
import type { SinkDelivery } from "../sink.ts";
import { statusTable } from "../status-table.ts";
import { batchLimitsOf, checkBatch } from "./batch-settings.ts";
import type { EncodedRequest } from "./encoded-request.ts";
import type { HttpPushOptions, PushProtocol } from "./http-push.ts";
import { HttpPush } from "./http-push.ts";
import type { SinkKind } from "./sink-kind.ts";
import { secretsOf } from "./request-secrets.ts";
import { checkHeaders, checkSettings, checkSinkUrl, flatHeaders, oneOf } from "./sink-settings.ts";

const methods = ["POST", "PUT", "PATCH"] as const;

const checkFormat = oneOf(["binary", "structured", "batch"]);

/** CloudEvents over HTTP, one event a request or a batch of them. */
export const httpSink: SinkKind = {
  name: "HTTP",
  summary: "Pushes events as HTTP requests, in binary or structured mode",
  validate: ({ sink, protocolsettings }, { guard }) => [
    ...checkSinkUrl(sink, guard),
    ...checkSettings(protocolsettings, {
      method: oneOf(methods),
      headers: checkHeaders,
      format: checkFormat,
      batch: (value, path) => checkBatch(value, path, protocolsettings),
    }),
  ],
  open(config, context) {
    const settings = isObject(config.protocolsettings) ? config.protocolsettings : {};
    const options: HttpPushOptions = {
      url: String(config.sink),
      method: methods.find((method) => method === settings["method"]) ?? "POST",
      headers: flatHeaders(settings),
      secrets: secretsOf(config),
      concurrency: config.concurrency,
      timeoutMs: config.timeoutMs,
      statuses: statusTable(config.statusRules ?? { retryOn: [], failOn: [] }),
      batch: batchLimitsOf(settings),
      protocol: protocols.get(settings["format"]) ?? binaryProtocol,
    };
    return new HttpPush(options, context);
  },
};

/** A body is kept for people to read, so only that of a failure. The status table judges alone. */
const judgedByStatus: Pick<PushProtocol, "bytesKeptOf" | "judge"> = {
  bytesKeptOf: (status) => (status >= 300 ? limits.responseExcerptBytesMax : 0),
  judge: () => undefined,
};

const structuredProtocol: PushProtocol = { ...judgedByStatus, encode: encodeAsStructured };

const binaryProtocol: PushProtocol = { ...judgedByStatus, encode: encodeAsBinary };

/** A 200 may say which events of the batch failed. */
const batchProtocol: PushProtocol = {
  ...structuredProtocol,
  bytesKeptOf: (status) =>
    status === 200 ? limits.responseBytesMax : judgedByStatus.bytesKeptOf(status),
};

const protocols: ReadonlyMap<unknown, PushProtocol> = new Map<unknown, PushProtocol>([
  ["structured", structuredProtocol],
  ["batch", batchProtocol],
]);

function encodeAsStructured({ event }: SinkDelivery): EncodedRequest {
  return { headers: ["content-type", structuredContentType], body: encodeStructured(event) };
}

function encodeAsBinary(delivery: SinkDelivery): EncodedRequest {
  const { event } = delivery;
  const headers = encodeBinary(event);
  if (event.data === undefined || !canBeBinary(event, headers)) {
    return encodeAsStructured(delivery);
  }
  return { headers, body: asBuffer(event.data) };
}
