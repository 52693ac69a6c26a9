import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { ResourceStore } from "../engine/engine.ts";
import { makeDirectories, syncDirectory } from "../engine/engines.ts";
import { BrokerError, systemErrorCode } from "../kernel/errors.ts";
import type { Logger } from "../kernel/logger.ts";
import type { Random } from "../kernel/random.ts";

/** A secret at rest: `v1.<nonce>.<ciphertext and tag>`, base64url. */
export type SealedSecret = string;

export interface SecretsOptions {
  readonly resources: ResourceStore;
  readonly secretKey: string | undefined;
  readonly keyDirectory: string;
  readonly random: Random;
  readonly logger: Logger;
}

interface KeyFacts {
  readonly keyId: string;
  /** Proves that a key is the right one without telling anything about it. */
  readonly check: string;
}

const SETTING_ID = "secret-key";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals secrets before they are stored (P8): AES-256-GCM, bound to the resource they belong to, so
 * that a sealed text moved to another resource does not open. The key never touches the data
 * directory; that holds only the key's id and a check value.
 */
export class Secrets {
  readonly #options: SecretsOptions;
  #key: Buffer | undefined;

  constructor(options: SecretsOptions) {
    this.#options = options;
  }

  /** Finds the key that the store was sealed with; refuses to go on without it. */
  async open(): Promise<void> {
    const { resources, secretKey, keyDirectory } = this.#options;
    const given = secretKey === undefined ? undefined : parseKey(secretKey);
    const stored = await resources.get("setting", SETTING_ID);
    if (stored === undefined) {
      this.#key = given;
      return;
    }
    const facts = JSON.parse(stored.value) as KeyFacts;
    const key = given ?? (await readKeyFile(join(keyDirectory, facts.keyId)));
    if (key === undefined) {
      throw new BrokerError(
        "secret_key_missing",
        `the stored secrets are sealed with key ${facts.keyId}, and there is no key file of that name in ` +
          `${keyDirectory}: restore that file, or set MILLRACE_SECRET_KEY or MILLRACE_SECRET_KEY_FILE`,
      );
    }
    if (!isSameText(checkValue(key), facts.check)) {
      throw new BrokerError(
        "secret_key_missing",
        `the key given is not the one that sealed the stored secrets (key ${facts.keyId}): set ` +
          `MILLRACE_SECRET_KEY or MILLRACE_SECRET_KEY_FILE to that key, or restore ${join(keyDirectory, facts.keyId)}`,
      );
    }
    this.#key = key;
  }

  /** `owner` names the resource, as in `source/github`. */
  async seal(secret: string, owner: string): Promise<SealedSecret> {
    const key = await this.#keyForSealing();
    const nonce = this.#options.random.bytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(owner));
    const body = Buffer.concat([
      cipher.update(secret, "utf8"),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return `v1.${Buffer.from(nonce).toString("base64url")}.${body.toString("base64url")}`;
  }

  unseal(sealed: SealedSecret, owner: string): string {
    const [version, nonce = "", body = ""] = sealed.split(".");
    if (this.#key === undefined || version !== "v1") {
      throw new BrokerError("secret_key_missing", `the secret of ${owner} cannot be opened`);
    }
    const bytes = Buffer.from(body, "base64url");
    const split = bytes.length - TAG_BYTES;
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.#key, Buffer.from(nonce, "base64url"));
      decipher.setAAD(Buffer.from(owner)).setAuthTag(bytes.subarray(Math.max(0, split)));
      const text = decipher.update(bytes.subarray(0, Math.max(0, split)));
      return Buffer.concat([text, decipher.final()]).toString("utf8");
    } catch (cause) {
      throw new BrokerError("secret_key_missing", `the secret of ${owner} cannot be opened`, {
        cause,
      });
    }
  }

  /** The key is made when the first secret comes, not before: most test brokers never need one. */
  async #keyForSealing(): Promise<Buffer> {
    const { resources, keyDirectory, random, logger } = this.#options;
    const isStored = (await resources.get("setting", SETTING_ID)) !== undefined;
    if (this.#key !== undefined && isStored) return this.#key;
    const key = this.#key ?? Buffer.from(random.bytes(KEY_BYTES));
    const facts: KeyFacts = { keyId: keyIdOf(key), check: checkValue(key) };
    if (this.#key === undefined) {
      const file = join(keyDirectory, facts.keyId);
      await writeKeyFile(keyDirectory, facts.keyId, key);
      logger.warn(
        { file, keyId: facts.keyId },
        `made a key for stored secrets in ${file}; keep a copy, the secrets cannot be opened without it`,
      );
    }
    await resources.put({
      kind: "setting",
      id: SETTING_ID,
      value: JSON.stringify(facts),
      expect: 0,
    });
    this.#key = key;
    return key;
  }
}

function parseKey(text: string): Buffer {
  const trimmed = text.trim();
  const key = /^[0-9a-fA-F]{64}$/.test(trimmed)
    ? Buffer.from(trimmed, "hex")
    : Buffer.from(trimmed, "base64");
  const isBase64 = /^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed) || key.length * 2 === trimmed.length;
  if (key.length === KEY_BYTES && isBase64) return key;
  throw new BrokerError(
    "invalid_config",
    "the secret key must be 32 bytes in base64 or hex; make one with: openssl rand -base64 32",
  );
}

async function readKeyFile(file: string): Promise<Buffer | undefined> {
  try {
    return parseKey(await readFile(file, "utf8"));
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function makeKeyDirectory(directory: string): Promise<void> {
  try {
    await makeDirectories(directory);
  } catch (cause) {
    throw new BrokerError(
      "invalid_config",
      `the key directory ${directory} cannot be created (${systemErrorCode(cause) ?? "unknown"}); ` +
        "choose another with --key-directory, or give the key with MILLRACE_SECRET_KEY",
      { cause },
    );
  }
}

/** Durable before the first secret is sealed with it: a lost key is a lost secret. */
async function writeKeyFile(directory: string, keyId: string, key: Buffer): Promise<void> {
  await makeKeyDirectory(directory);
  const file = join(directory, keyId);
  const handle = await open(`${file}.tmp`, "w", 0o600);
  try {
    await handle.writeFile(`${key.toString("base64")}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.tmp`, file);
  await syncDirectory(directory);
}

function keyIdOf(key: Buffer): string {
  return createHmac("sha256", key).update("millrace key id").digest("hex").slice(0, 16);
}

function checkValue(key: Buffer): string {
  return createHmac("sha256", key).update("millrace key check").digest("base64url");
}

function isSameText(one: string, other: string): boolean {
  const bytes = Buffer.from(one);
  const others = Buffer.from(other);
  return bytes.length === others.length && timingSafeEqual(bytes, others);
}
