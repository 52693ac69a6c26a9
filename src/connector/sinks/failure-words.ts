import { systemErrorCode } from "../../kernel/errors.ts";
import type { FailureFacts } from "../sink.ts";

export interface Failure {
  readonly kind: FailureFacts["failure"];
  readonly sentence: string;
  /** The request itself cannot be sent; trying again changes nothing. */
  readonly isPermanent?: boolean;
}

const byCode: ReadonlyMap<string, (where: string) => Failure> = new Map([
  ["ECONNREFUSED", (where) => connect(`connection refused by ${where}`)],
  ["ECONNRESET", (where) => connect(`connection reset by ${where}`)],
  ["EPIPE", (where) => connect(`connection closed by ${where} while the request was sent`)],
  ["EHOSTUNREACH", (where) => connect(`no route to ${where}`)],
  ["ENETUNREACH", (where) => connect(`no route to ${where}`)],
  ["ETIMEDOUT", (where) => ({ kind: "timeout", sentence: `connecting to ${where} timed out` })],
  ["UND_ERR_HEADERS_OVERFLOW", (where) => protocol(`${where} answered with too large headers`)],
]);

/** What went wrong before a status was known, in a sentence for people. */
export function describeFailure(error: Error, where: string): Failure {
  const code = systemErrorCode(error) ?? "";
  const known = byCode.get(code);
  if (known !== undefined) return known(where);
  switch (code) {
    case "MILLRACE_ADDRESS":
      return { kind: "address", sentence: error.message };
    case "MILLRACE_DNS":
      return connect(error.message);
    case "MILLRACE_CONNECT_TIMEOUT":
      return { kind: "timeout", sentence: `connecting to ${where} timed out: ${error.message}` };
    case "UND_ERR_SOCKET":
      return connect(`connection to ${where} broke before it answered (${error.message})`);
    case "UND_ERR_INVALID_ARG":
    case "UND_ERR_NOT_SUPPORTED":
      return { ...protocol(`the request cannot be sent: ${error.message}`), isPermanent: true };
    default:
      return describeOther(error, code, where);
  }
}

function describeOther(error: Error, code: string, where: string): Failure {
  const isMalformed =
    error.name === "HTTPParserError" || code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH";
  if (isMalformed) return protocol(`${where} answered with something that is not HTTP/1.1`);
  if (/CERT|TLS|SSL|LEAF_SIGNATURE|^EPROTO$/.test(code)) return describeTls(error, code, where);
  const detail = code === "" ? error.message : `${error.message} (${code})`;
  return connect(`connection to ${where} failed: ${detail}`);
}

/** Signed by nobody whom Node trusts: the way out is outside of the subscription. */
const untrusted: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

function describeTls(error: Error, code: string, where: string): Failure {
  const sentence = `TLS with ${where} failed: ${error.message.trim()}`;
  if (untrusted.has(code)) {
    const remedy = "to trust it, start the broker with NODE_EXTRA_CA_CERTS naming a file with it";
    return connect(`${sentence}; ${remedy}`);
  }
  const isPlain = /wrong version number|packet length too long|http request/i.test(error.message);
  return connect(isPlain ? `TLS with ${where} failed: it answers without TLS` : sentence);
}

function connect(sentence: string): Failure {
  return { kind: "connect", sentence };
}

function protocol(sentence: string): Failure {
  return { kind: "protocol", sentence };
}
