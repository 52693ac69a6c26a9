import { canBeBinary, encodeBinary, structuredContentType } from "../../event/http-binding.ts";
import { encodeStructured } from "../../event/json-format.ts";
import { asBuffer } from "../../kernel/bytes.ts";
import { isObject } from "../../kernel/unchecked.ts";
import type { SinkDelivery } from "../sink.ts";
import type { EncodedRequest, HttpPushOptions, PushProtocol } from "./http-push.ts";
import { HttpPush } from "./http-push.ts";
import type { SinkKind } from "./sink-kind.ts";
import {
  checkHeaders,
  checkSettings,
  checkSinkUrl,
  flatHeaders,
  notYet,
  oneOf,
} from "./sink-settings.ts";

const methods = ["POST", "PUT", "PATCH"] as const;

/** CloudEvents over HTTP, one event a request. */
export const httpSink: SinkKind = {
  name: "HTTP",
  summary: "Pushes each event as one HTTP request, in binary or structured mode",
  validate: ({ sink, protocolsettings }, { guard }) => [
    ...checkSinkUrl(sink, guard),
    ...checkSettings(protocolsettings, {
      method: oneOf(methods),
      headers: checkHeaders,
      format: oneOf(["binary", "structured"], ["batch"]),
      batch: notYet,
    }),
  ],
  open(config, context) {
    const settings = isObject(config.protocolsettings) ? config.protocolsettings : {};
    const options: HttpPushOptions = {
      url: String(config.sink),
      method: methods.find((method) => method === settings["method"]) ?? "POST",
      headers: flatHeaders(settings),
      concurrency: config.concurrency,
      timeoutMs: config.timeoutMs,
      protocol: settings["format"] === "structured" ? structuredProtocol : binaryProtocol,
    };
    return new HttpPush(options, context);
  },
};

/** A body is kept for people to read, so only that of a failure. The status table judges alone. */
const judgedByStatus: Pick<PushProtocol, "keepsBodyOf" | "judge"> = {
  keepsBodyOf: (status) => status >= 300,
  judge: () => undefined,
};

const structuredProtocol: PushProtocol = { ...judgedByStatus, encode: encodeAsStructured };

const binaryProtocol: PushProtocol = { ...judgedByStatus, encode: encodeAsBinary };

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
