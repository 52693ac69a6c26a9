import type { ProtocolSettings } from "../api/api.ts";
import { checkCredential, credentialHeader, objectionToSecret } from "../connector/sinks.ts";
import type { SinkCredential } from "../connector/sinks.ts";
import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { memberPath, nameKind } from "../kernel/unchecked.ts";
import type { ObjectReader } from "./object-reader.ts";
import { isJsonObject } from "./object-reader.ts";
import type { SealedSecret, Secrets } from "./secrets.ts";

/** `signing` and `sinkcredential` as a request has them: undefined keeps, null removes. */
export interface SecretsInput {
  readonly signing: readonly string[] | null | undefined;
  readonly credential: SinkCredential | null | undefined;
}

/** The same in the clear: it goes into the sink and nowhere else. */
export interface SinkSecrets {
  readonly signing: readonly string[];
  readonly credential: SinkCredential | undefined;
}

/** The same at rest. */
export interface SealedSecrets {
  readonly signing: readonly SealedSecret[];
  readonly credential: SealedSecret | null;
}

export const noSealedSecrets: SealedSecrets = { signing: [], credential: null };

/** No message repeats a value: it may be a secret, or a secret in the wrong place. */
export function readSecretsInput(reader: ObjectReader, violations: Violation[]): SecretsInput {
  const credential = reader.value("sinkcredential");
  const objections =
    credential === undefined || credential === null ? [] : checkCredential(credential);
  violations.push(...objections);
  return {
    signing: readSigning(reader),
    credential: objections.length > 0 ? undefined : (credential as SecretsInput["credential"]),
  };
}

function readSigning(reader: ObjectReader): SecretsInput["signing"] {
  const signing = reader.value("signing");
  if (signing === undefined || signing === null) return signing;
  if (!isJsonObject(signing)) {
    const message = `must be an object such as {"secret": "whsec_…"}, not ${nameKind(signing)}`;
    reader.report("signing", "wrong_type", message);
    return undefined;
  }
  const members = reader.object("signing");
  const secret = members.value("secret");
  members.refuseUnknown();
  if (secret === undefined || secret === null) return secret;
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  if (secrets.length === 0 || secrets.length > limits.secretsMax) {
    const message = `must be one secret, or a list of 1 to ${limits.secretsMax} while rotating (the new one first)`;
    members.report("secret", "out_of_range", message);
    return undefined;
  }
  return secrets.every((each, index) => {
    const at = Array.isArray(secret) ? `secret[${index}]` : "secret";
    return isSigningSecret(members, at, each);
  })
    ? (secrets as readonly string[])
    : undefined;
}

function isSigningSecret(members: ObjectReader, at: string, secret: unknown): boolean {
  if (typeof secret !== "string") {
    members.report(at, "wrong_type", `must be a string, not ${nameKind(secret)}`);
    return false;
  }
  const objection = objectionToSecret(secret);
  if (objection !== undefined) members.report(at, "invalid_value", objection);
  return objection === undefined;
}

/** A header that the credential sets must not be chosen as well: which one would count? */
export function objectionsToHeaders(
  { headers }: ProtocolSettings,
  credential: SinkCredential | null | undefined,
): readonly Violation[] {
  if (credential === null || credential === undefined || !isJsonObject(headers)) return [];
  const [name] = credentialHeader(credential);
  return Object.keys(headers)
    .filter((each) => each.toLowerCase() === name)
    .map((each) => ({
      path: memberPath("protocolsettings.headers", each),
      code: "conflict",
      message: "is what sinkcredential sends; leave it out, or remove sinkcredential with null",
    }));
}

/** Seals what the request gives, and keeps of the stored secrets what it does not mention. */
export async function sealSecrets(
  id: string,
  { signing, credential }: SecretsInput,
  { secrets, kept }: { readonly secrets: Secrets; readonly kept: SealedSecrets },
): Promise<SealedSecrets> {
  const owner = ownerOf(id);
  let sealedSigning = signing === undefined ? kept.signing : [];
  for (const secret of signing ?? []) {
    sealedSigning = [...sealedSigning, await secrets.seal(secret, owner)];
  }
  if (credential === undefined) return { signing: sealedSigning, credential: kept.credential };
  if (credential === null) return { signing: sealedSigning, credential: null };
  const sealed = await secrets.seal(JSON.stringify(credential), owner);
  return { signing: sealedSigning, credential: sealed };
}

export function unsealSecrets(id: string, sealed: SealedSecrets, secrets: Secrets): SinkSecrets {
  const owner = ownerOf(id);
  return {
    signing: sealed.signing.map((each) => secrets.unseal(each, owner)),
    credential: unsealCredential(id, sealed, secrets),
  };
}

export function unsealCredential(
  id: string,
  { credential }: SealedSecrets,
  secrets: Secrets,
): SinkCredential | undefined {
  if (credential === null) return undefined;
  return JSON.parse(secrets.unseal(credential, ownerOf(id))) as SinkCredential;
}

/** Members that no answer shows, so that a merge with what is shown would lose them. */
const WRITE_ONLY = ["signing", "sinkcredential"];

/** Puts the write-only members of a patch, null too, back into what the patch was merged into. */
export function withWriteOnly(merged: unknown, patch: unknown): unknown {
  if (!isJsonObject(merged) || !isJsonObject(patch)) return merged;
  const given = WRITE_ONLY.filter((name) => Object.hasOwn(patch, name));
  return { ...merged, ...Object.fromEntries(given.map((name) => [name, patch[name]])) };
}

/** What a sealed secret is bound to. */
function ownerOf(id: string): string {
  return `subscription/${id}`;
}
