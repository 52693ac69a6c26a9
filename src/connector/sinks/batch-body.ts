import { batchContentType } from "../../event/http-binding.ts";
import { encodeStructured } from "../../event/json-format.ts";
import { limits } from "../../kernel/limits.ts";
import type { SinkDelivery } from "../sink.ts";
import type { EncodedRequest } from "./encoded-request.ts";

export interface EncodedBatch extends EncodedRequest {
  /** How many of the deliveries are in it: the first ones, at least one. */
  readonly count: number;
  /** The value of `millrace-offsets`. */
  readonly offsets: string;
}

/**
 * As many of the deliveries as fit into maxBytes of body, and into the header that lists their
 * offsets, which intermediaries would refuse if it grew without bound.
 */
export function encodeDeliveries(
  deliveries: readonly SinkDelivery[],
  maxBytes: number,
): EncodedBatch {
  const parts: Uint8Array[] = [];
  let offsets = "";
  let bodyBytes = 1;
  let count = 0;
  for (const { event, offset } of deliveries) {
    const encoded = encodeStructured(event);
    const listed = offsets === "" ? String(offset) : `${offsets},${offset}`;
    bodyBytes += encoded.length + 1;
    const fits = bodyBytes <= maxBytes && listed.length <= limits.deliveryHeaderBytesMax;
    if (count > 0 && !fits) break;
    parts.push(count === 0 ? openBracket : comma, encoded);
    offsets = listed;
    count += 1;
  }
  parts.push(closeBracket);
  return {
    headers: ["content-type", batchContentType],
    body: Buffer.concat(parts),
    count,
    offsets,
  };
}

const openBracket = Buffer.from("[");
const comma = Buffer.from(",");
const closeBracket = Buffer.from("]");
