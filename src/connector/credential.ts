import type { Violation } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import { isObject, memberPath, nameKind, quote } from "../kernel/unchecked.ts";
import { HEADER_NAME, HEADER_VALUE, objectionToHeaderName } from "./sinks/sink-settings.ts";

/**
 * With what a sink is asked for access: `sinkcredential` of the CloudEvents Subscriptions API, and
 * a header of any name beside its types.
 */
export type SinkCredential =
  | { readonly credentialtype: "PLAIN"; readonly identifier: string; readonly secret: string }
  | { readonly credentialtype: "ACCESSTOKEN"; readonly accesstoken: string }
  | { readonly credentialtype: "HEADER"; readonly header: string; readonly value: string };

/** The header that carries the credential, lower-case. */
export function credentialHeader(credential: SinkCredential): readonly [string, string] {
  switch (credential.credentialtype) {
    case "PLAIN": {
      const pair = `${credential.identifier}:${credential.secret}`;
      return ["authorization", `Basic ${Buffer.from(pair).toString("base64")}`];
    }
    case "ACCESSTOKEN":
      return ["authorization", `Bearer ${credential.accesstoken}`];
    case "HEADER":
      return [credential.header.toLowerCase(), credential.value];
  }
}

interface MemberRule {
  /** What is wrong with the text; undefined when nothing is. Never repeats a secret. */
  readonly objection: (text: string) => string | undefined;
  readonly isOptional?: true;
}

const printable: MemberRule = {
  objection: (text) =>
    HEADER_VALUE.test(text) ? undefined : "may hold printable latin1 characters only",
};

const types: Readonly<Record<string, Readonly<Record<string, MemberRule>>>> = {
  PLAIN: {
    identifier: {
      objection: (text) =>
        text.includes(":")
          ? "must not hold a colon, which ends it in Basic authentication"
          : undefined,
    },
    secret: { objection: () => undefined },
  },
  ACCESSTOKEN: {
    accesstoken: printable,
    accesstokentype: {
      objection: (text) => (text.toLowerCase() === "bearer" ? undefined : 'must be "bearer"'),
      isOptional: true,
    },
  },
  HEADER: {
    header: {
      objection: (text) =>
        HEADER_NAME.test(text) ? objectionToHeaderName(text) : "cannot be the name of a header",
    },
    value: printable,
  },
};

const laterTypes = ["REFRESHTOKEN"];

/** Everything that is wrong with `sinkcredential`, an unknown value; no message repeats a secret. */
export function checkCredential(credential: unknown): readonly Violation[] {
  const root = "sinkcredential";
  if (!isObject(credential)) {
    const message = `must be an object, not ${nameKind(credential)}`;
    return [{ path: root, code: "wrong_type", message }];
  }
  const type = credential["credentialtype"];
  const members = typeof type === "string" && Object.hasOwn(types, type) ? types[type] : undefined;
  if (members === undefined) return [refuseType(type)];
  return [...checkMembers(credential, members)];
}

function refuseType(type: unknown): Violation {
  const path = "sinkcredential.credentialtype";
  if (typeof type === "string" && laterTypes.includes(type)) {
    return {
      path,
      code: "not_supported_yet",
      message: `${type} is not supported by this version yet`,
    };
  }
  const shown = typeof type === "string" ? quote(type) : nameKind(type);
  const known = Object.keys(types).join(", ");
  return { path, code: "invalid_value", message: `must be one of ${known}, not ${shown}` };
}

function* checkMembers(
  credential: Readonly<Record<string, unknown>>,
  members: Readonly<Record<string, MemberRule>>,
): Iterable<Violation> {
  const root = "sinkcredential";
  for (const [name, rule] of Object.entries(members)) {
    const path = memberPath(root, name);
    const value = credential[name];
    if (value === undefined && rule.isOptional === true) continue;
    if (typeof value !== "string" || value === "") {
      yield {
        path,
        code: value === undefined ? "missing" : "wrong_type",
        message: "must be a string that is not empty",
      };
    } else if (value.length > limits.credentialLengthMax) {
      const message = `has ${value.length} characters; at most ${limits.credentialLengthMax} (credentialLengthMax)`;
      yield { path, code: "too_long", message };
    } else {
      const message = rule.objection(value);
      if (message !== undefined) yield { path, code: "invalid_value", message };
    }
  }
  for (const name of Object.keys(credential)) {
    if (name === "credentialtype" || Object.hasOwn(members, name)) continue;
    const known = ["credentialtype", ...Object.keys(members)].join(", ");
    const message = `${quote(name)} is unknown here; known: ${known}`;
    yield { path: memberPath(root, name), code: "unknown_member", message };
  }
}
