import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isLoopbackHost } from "../broker/config.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

export interface GateOptions {
  readonly token: string | undefined;
  readonly insecure: boolean;
  /** The address the server listens on. */
  readonly host: string;
}

/**
 * What every request must pass before anything looks at it (P8): well-formed where Node's parser is
 * lenient, a Host that is ours, no foreign Origin, the token.
 */
export class Gate {
  readonly #tokenHash: Buffer | undefined;
  readonly #hostMustBeLoopback: boolean;
  /** The last Host that passed: it is nearly always the same one. */
  #hostSeen: string | undefined;

  constructor(options: GateOptions) {
    const { token, insecure, host } = options;
    this.#tokenHash = token === undefined ? undefined : sha256(token);
    this.#hostMustBeLoopback = token === undefined && !insecure && isLoopbackHost(host);
  }

  /** The reason to refuse the request, or undefined. Rewrites an absolute target to its path. */
  refusal(request: IncomingMessage): BrokerError | undefined {
    const malformed = malformation(request);
    if (malformed !== undefined) return new BrokerError("invalid_request", malformed);
    const raw = request.rawHeaders;
    if (raw.length > limits.headerCountMax * 2) {
      const detail = `the request has more than ${limits.headerCountMax} headers (headerCountMax)`;
      return new BrokerError("too_many_headers", detail);
    }
    const target = request.url ?? "/";
    if (target.charCodeAt(0) !== 0x2f && !this.#acceptAbsoluteTarget(request, target)) {
      return new BrokerError("invalid_request", "the request target must be a path");
    }
    return this.#forbidden(request) ?? this.#unauthorized(request);
  }

  #forbidden(request: IncomingMessage): BrokerError | undefined {
    const { host = "", origin } = request.headers;
    if (origin !== undefined && !isSameOrigin(origin, host)) {
      const detail = `requests from pages of the origin ${JSON.stringify(origin.slice(0, 200))} are not allowed`;
      return new BrokerError("forbidden", detail);
    }
    if (!this.#hostMustBeLoopback || host === this.#hostSeen) return undefined;
    if (isLoopbackHost(withoutPort(host))) {
      this.#hostSeen = host;
      return undefined;
    }
    if (request.url?.startsWith("/hooks/") === true) return undefined;
    const shown = JSON.stringify(host.slice(0, 200));
    const detail = `the Host ${shown} is no loopback name, and this broker listens on loopback without a token`;
    return new BrokerError("forbidden", detail);
  }

  #unauthorized(request: IncomingMessage): BrokerError | undefined {
    if (this.#tokenHash === undefined || isOpenToAll(request)) return undefined;
    const given = request.headers.authorization;
    if (given === undefined) {
      return new BrokerError("unauthorized", "the request has no Authorization header");
    }
    const bearer = /^bearer +(\S+) *$/i.exec(given);
    // Hashes are compared, so that the time taken says nothing about the token or its length.
    if (bearer !== null && timingSafeEqual(sha256(bearer[1] ?? ""), this.#tokenHash))
      return undefined;
    return new BrokerError(
      "unauthorized",
      "the Authorization header does not hold the broker's token",
    );
  }

  /** RFC 9112 §3.2.2: the target's host counts, so it has to pass like a Host header. */
  #acceptAbsoluteTarget(request: IncomingMessage, target: string): boolean {
    if (!/^https?:\/\//i.test(target) || !URL.canParse(target)) return false;
    const url = new URL(target);
    if (url.username !== "" || url.password !== "") return false;
    if (!this.#hostMustBeLoopback || isLoopbackHost(url.hostname)) {
      request.url = url.pathname + url.search;
      return true;
    }
    return false;
  }
}

/** What RFC 9112 forbids and Node's parser lets through. */
function malformation(request: IncomingMessage): string | undefined {
  const raw = request.rawHeaders;
  let hosts = 0;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index];
    if (name !== undefined && name.length === 4 && name.toLowerCase() === "host") hosts += 1;
  }
  if (hosts !== 1)
    return hosts === 0 ? "the Host header is missing" : "there is more than one Host header";
  if (request.httpVersionMinor === 0 && request.headers["transfer-encoding"] !== undefined) {
    return "Transfer-Encoding does not exist in HTTP/1.0";
  }
  return undefined;
}

/** The exceptions of P8: probes, webhooks (they sign), the handshake, the console's static files. */
function isOpenToAll(request: IncomingMessage): boolean {
  const url = request.url ?? "";
  if (url.startsWith("/health/") || url.startsWith("/hooks/")) return true;
  const isStatic = request.method === "GET" || request.method === "HEAD";
  if (isStatic && (url === "/console" || url.startsWith("/console/"))) return true;
  return request.method === "OPTIONS" && isPublishPath(url);
}

function isPublishPath(url: string): boolean {
  return /^(?:\/v1\/buses\/[^/?]+\/events|\/gateway\/[^/?]+|\/namespaces\/default\/eventbus\/[^/?]+\/events)(?:\?|$)/.test(
    url,
  );
}

function isSameOrigin(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host: originHost } = new URL(origin);
  if (protocol !== "http:" && protocol !== "https:") return false;
  const plain = host.toLowerCase().replace(protocol === "http:" ? /:80$/ : /:443$/, "");
  return originHost !== "" && originHost === plain;
}

function withoutPort(host: string): string {
  return host.replace(/:\d{1,5}$/, "");
}

function sha256(text: string): Buffer {
  return hash("sha256", text, "buffer");
}
