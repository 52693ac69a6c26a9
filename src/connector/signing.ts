import type { KeyObject } from "node:crypto";
import { createHash, createHmac, createPrivateKey, sign } from "node:crypto";

/**
 * Signatures of outgoing requests by Standard Webhooks (standardwebhooks.com): over
 * `id.timestamp.body`, the body's bytes exactly as they are sent.
 */
export interface Signer {
  /** The value of `webhook-signature`: one signature per secret, separated by spaces. */
  sign(id: string, timestamp: string, body: Buffer): string;
}

const SYMMETRIC_PREFIX = "whsec_";
const ASYMMETRIC_PREFIX = "whsk_";
const SYMMETRIC_BYTES_MIN = 24;
const SYMMETRIC_BYTES_MAX = 64;
/** The seed alone, or the seed and the public key after it, as libsodium writes them. */
const ASYMMETRIC_BYTES: ReadonlySet<number> = new Set([32, 64]);
/** What stands before the 32 bytes of an Ed25519 seed in PKCS #8 (RFC 8410). */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

/** What is wrong with a signing secret; undefined when it can sign. Never repeats the secret. */
export function objectionToSecret(secret: string): string | undefined {
  const bytes = keyBytes(secret);
  if (bytes === undefined) {
    return (
      `must be ${SYMMETRIC_PREFIX} or ${ASYMMETRIC_PREFIX} and base64 behind it; make one with: ` +
      `echo ${SYMMETRIC_PREFIX}$(openssl rand -base64 32)`
    );
  }
  if (secret.startsWith(ASYMMETRIC_PREFIX)) {
    if (ASYMMETRIC_BYTES.has(bytes.length)) return undefined;
    return `an Ed25519 key has 32 bytes (or 64 with its public key), this one has ${bytes.length}`;
  }
  if (bytes.length >= SYMMETRIC_BYTES_MIN && bytes.length <= SYMMETRIC_BYTES_MAX) return undefined;
  return `must be ${SYMMETRIC_BYTES_MIN} to ${SYMMETRIC_BYTES_MAX} bytes in base64, not ${bytes.length}`;
}

/** The secrets have passed objectionToSecret. */
export function createSigner(secrets: readonly string[]): Signer {
  const signatures = secrets.map(signatureMaker);
  return {
    sign: (id, timestamp, body) => {
      const head = Buffer.from(`${id}.${timestamp}.`);
      return signatures.map((signature) => signature(head, body)).join(" ");
    },
  };
}

/**
 * The value of `webhook-id`: the same for every attempt, redrive and replay of one event to one
 * subscription, so that a consumer may drop what it has seen. Without dots, which separate the
 * signed parts.
 */
export function webhookId(facts: {
  readonly subscription: string;
  readonly bus: string;
  readonly offset: number;
  readonly source: string;
  readonly id: string;
}): string {
  const { subscription, bus, offset, source, id } = facts;
  const digest = createHash("sha256")
    .update(JSON.stringify([subscription, bus, offset, source, id]))
    .digest("base64url");
  return `msg_${digest.slice(0, WEBHOOK_ID_LENGTH)}`;
}

/** The `webhook-id` of a batch: the same whenever the same events go together, in whatever order. */
export function webhookBatchId(ids: readonly string[]): string {
  const digest = createHash("sha256").update(ids.toSorted().join(" ")).digest("base64url");
  return `batch_${digest.slice(0, WEBHOOK_ID_LENGTH)}`;
}

/** 162 bits: two events never share an id by chance. */
const WEBHOOK_ID_LENGTH = 27;

function signatureMaker(secret: string): (head: Buffer, body: Buffer) => string {
  const bytes = keyBytes(secret) ?? Buffer.alloc(0);
  if (!secret.startsWith(ASYMMETRIC_PREFIX)) {
    return (head, body) =>
      `v1,${createHmac("sha256", bytes).update(head).update(body).digest("base64")}`;
  }
  const key = ed25519Key(bytes.subarray(0, 32));
  return (head, body) => `v1a,${sign(null, Buffer.concat([head, body]), key).toString("base64")}`;
}

function ed25519Key(seed: Buffer): KeyObject {
  const der = Buffer.concat([PKCS8_ED25519, seed]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

function keyBytes(secret: string): Buffer | undefined {
  const prefix = [SYMMETRIC_PREFIX, ASYMMETRIC_PREFIX].find((each) => secret.startsWith(each));
  if (prefix === undefined) return undefined;
  const text = secret.slice(prefix.length);
  return BASE64.test(text) ? Buffer.from(text, "base64") : undefined;
}
