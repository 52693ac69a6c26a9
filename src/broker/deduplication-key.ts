import { createHash, hash } from "node:crypto";
import {
  beginKeyBlock,
  KEY_BLOCK_BYTES,
  KEY_BLOCK_KEY_AT,
  KEY_BYTES,
} from "../engine/record-facts.ts";
import type { CloudEvent } from "../event/event.ts";
import { assert } from "../kernel/assert.ts";

/**
 * What a bus with deduplication keeps of an event: 16 bytes for its identity, which CloudEvents
 * defines as source and id together, and 8 for its content. SHA-256 truncated: two events of one
 * identity hash are out of anybody's reach, and a publisher who forges 8 bytes of content only
 * fools himself.
 *
 * The content is everything that a consumer would see differently: all attributes and the data. It
 * does not depend on the content mode: a JSON `5` and the header `5` are one value, an absent
 * datacontenttype of JSON data is `application/json`, absent data and empty data are one (no
 * request in binary mode can tell them apart), and the order of extensions means nothing.
 *
 * These keys are stored in the log: a change of this file that changes keys makes a bus forget what
 * it has seen. spec/deduplication.md says the same; both change together.
 */
const IDENTITY_BYTES = 16;

/**
 * Besides `time`, the attributes that tell of the sending rather than of the event: an SDK that
 * builds the event anew for each attempt stamps a new time, and a tracer gives each attempt a span.
 */
const attemptExtensions: readonly string[] = ["traceparent", "tracestate"];

/** The keys of events, each in the block of facts in which it goes into the log. */
export function keyBlocksOf(records: readonly { readonly event: CloudEvent }[]): Buffer {
  const blocks = Buffer.allocUnsafe(records.length * KEY_BLOCK_BYTES);
  for (let index = 0; index < records.length; index++) {
    const record = records[index];
    assert(record !== undefined, "the records are counted");
    beginKeyBlock(blocks, index * KEY_BLOCK_BYTES);
    writeKey(record.event, blocks, keyAt(index));
  }
  return blocks;
}

/** Where the key of a record lies among the blocks. */
export function keyAt(index: number): number {
  return index * KEY_BLOCK_BYTES + KEY_BLOCK_KEY_AT;
}

/** The facts of a record whose only fact is its key. */
export function keyBlockAt(blocks: Buffer, index: number): Buffer {
  if (blocks.length === KEY_BLOCK_BYTES) return blocks;
  return blocks.subarray(index * KEY_BLOCK_BYTES, (index + 1) * KEY_BLOCK_BYTES);
}

/** Writes the key of the event into KEY_BYTES of `keys` at `at`. */
export function writeKey(event: CloudEvent, keys: Buffer, at: number): void {
  assert(at + KEY_BYTES <= keys.length, "there is room for the key");
  keys.write(sha256(identityText(event), undefined), at, IDENTITY_BYTES, "binary");
  const content = sha256(contentText(event), event.data);
  keys.write(content, at + IDENTITY_BYTES, KEY_BYTES - IDENTITY_BYTES, "latin1");
}

/** As text, because a Map compares that by value. */
export function identityAt(keys: Buffer, at: number): string {
  return keys.toString("latin1", at, at + IDENTITY_BYTES);
}

export function contentAt(keys: Buffer, at: number): string {
  return keys.toString("latin1", at + IDENTITY_BYTES, at + KEY_BYTES);
}

/** Each value after its length, so that no two lists of values become one text. */
function identityText({ source, id }: CloudEvent): string {
  return `${source.length}:${source}${id.length}:${id}`;
}

function contentText(event: CloudEvent): string {
  const { type, subject, dataschema } = event;
  // Clients put a Content-Type beside an empty body on their own: it tells nothing of the event.
  const hasData = event.data !== undefined && event.data.length > 0;
  const isImplied = event.datacontenttype === undefined && event.dataIsImpliedJson;
  const contentType = isImplied ? "application/json" : event.datacontenttype;
  return (
    part(type) +
    part(subject) +
    part(hasData ? contentType : undefined) +
    part(dataschema) +
    extensionsText(event) +
    "|"
  );
}

/** Only strings without a lone surrogate get here, so nothing is lost on the way to UTF-8. */
function part(value: string | undefined): string {
  return value === undefined ? "-" : `${value.length}:${value}`;
}

function extensionsText({ extensions }: CloudEvent): string {
  if (extensions.size === 0) return "";
  const parts: string[] = [];
  for (const [name, value] of extensions) {
    if (!attemptExtensions.includes(name)) parts.push(part(name) + part(String(value)));
  }
  return parts.toSorted().join("");
}

/**
 * The digest as latin1 (which Node calls binary here). Small inputs are laid side by side: one native call is several times cheaper
 * than three, and one that answers with text than one that makes a Buffer.
 */
const scratch = Buffer.allocUnsafeSlow(16 * 1024);

function sha256(text: string, data: Uint8Array | undefined): string {
  if (data === undefined) return hash("sha256", text, "binary");
  const dataBytes = data.length;
  if (text.length * 3 + dataBytes > scratch.length) {
    return createHash("sha256").update(text, "utf8").update(data).digest("binary");
  }
  const textBytes = scratch.write(text, 0, "utf8");
  scratch.set(data, textBytes);
  return hash("sha256", scratch.subarray(0, textBytes + dataBytes), "binary");
}
