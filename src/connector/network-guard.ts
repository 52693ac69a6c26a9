/**
 * Keeps sinks out of private networks (P8). An address is judged three times: a literal in the URL
 * when the subscription is made, every address a name resolves to when a connection is opened, and
 * the address the socket has really reached. Between the second and the third nothing is resolved
 * again, so an answer that changes in the meantime (rebinding) changes nothing.
 */
import type { LookupFunction } from "node:net";
import type { BlockList } from "node:net";
import { isIP } from "node:net";

import { quote } from "../kernel/unchecked.ts";
import { limits } from "../kernel/limits.ts";
import { addressKind, isListed, networkList } from "./address-rules.ts";
import type { NameResolver, ResolvedAddress } from "./name-resolver.ts";
import { isLocalhost } from "./name-resolver.ts";

export interface NetworkPolicy {
  /** Opens private networks; link-local and metadata addresses stay closed even then. */
  readonly allowPrivateSinks: boolean;
  /** Private networks that are open all the same, in CIDR notation. */
  readonly allowedNetworks?: readonly string[];
}

/** A connection that the policy does not allow. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
  readonly code = "MILLRACE_ADDRESS";
}

/**
 * Well-known ports of services that are not HTTP: a request there is a way to talk to them in
 * disguise.
 */
const closedPorts: ReadonlySet<number> = new Set([
  1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
  103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445,
  465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
  993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432,
  5900, 6000, 6379, 6380, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211, 27017,
]);

const lowestFreePort = 1024;

export class NetworkGuard {
  readonly #allowPrivate: boolean;
  readonly #allowed: BlockList;
  readonly #resolver: NameResolver;

  constructor(policy: NetworkPolicy, resolver: NameResolver) {
    this.#allowPrivate = policy.allowPrivateSinks;
    this.#allowed = networkList(policy.allowedNetworks ?? []);
    this.#resolver = resolver;
  }

  /** Why the text cannot be a sink's URL: everything that can be said before resolving names. */
  objectionsToUrl(text: string): readonly string[] {
    if (text.length > limits.sinkUrlLengthMax) {
      return [
        `has ${text.length} characters; at most ${limits.sinkUrlLengthMax} (sinkUrlLengthMax)`,
      ];
    }
    const url = URL.parse(text);
    if (url === null) {
      return [`${quote(text)} is no absolute URL; write it as https://example.com/path`];
    }
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      return [`the scheme '${url.protocol}' is not supported; known: http:, https:`];
    }
    return [...this.#objectionsToParts(url)];
  }

  *#objectionsToParts(url: URL): Generator<string> {
    if (url.username !== "" || url.password !== "") {
      yield "holds a user name or password; send credentials in a header instead";
    }
    if (url.hash !== "") yield "holds a fragment (#…), which is never sent; leave it out";
    const port = this.#objectionToPort(url);
    if (port !== undefined) yield port;
    const host = bareHost(url.hostname);
    const isNamedLoopback = isLocalhost(host) && !this.isAllowed("127.0.0.1");
    if (isNamedLoopback) yield refusal(host, "private");
    if (isIP(host) !== 0) {
      const objection = this.objectionToAddress(host);
      if (objection !== undefined) yield objection;
    }
  }

  #objectionToPort(url: URL): string | undefined {
    const port = Number(url.port);
    if (port === 0 && url.port === "") return undefined;
    // Whoever allows private sinks vouches for what runs there, on whatever port.
    if (this.#allowPrivate) return undefined;
    if (closedPorts.has(port)) return `port ${port} belongs to a service that is not HTTP`;
    if (port >= lowestFreePort) return undefined;
    if (port === 80 || port === 443) return undefined;
    return `port ${port} is closed to sinks; open are 80, 443 and 1024 to 65535`;
  }

  /** Why no connection may go to this address; undefined when one may. */
  objectionToAddress(address: string): string | undefined {
    const kind = addressKind(address);
    if (kind === "public") return undefined;
    if (kind === "private" && this.isAllowed(address)) return undefined;
    return refusal(address, kind);
  }

  isAllowed(address: string): boolean {
    return this.#allowPrivate || isListed(this.#allowed, address);
  }

  /** All addresses of the name; rejects when there are none or when any one is not allowed. */
  async resolve(name: string): Promise<readonly ResolvedAddress[]> {
    const addresses = await this.#resolver.resolve(name);
    for (const { address } of addresses) {
      const objection = this.objectionToAddress(address);
      if (objection === undefined) continue;
      throw new AddressRefused(`${name} resolves to ${address}: ${objection}`);
    }
    return addresses;
  }

  /**
   * For `net.connect`: the socket connects to one of the addresses this hands out, so that what was
   * checked is what is connected to, while TLS and Host go on using the name.
   */
  readonly lookup: LookupFunction = (name, options, callback) => {
    void this.#lookUp(name, { wantsAll: options.all === true }, callback);
  };

  async #lookUp(
    name: string,
    { wantsAll }: { readonly wantsAll: boolean },
    callback: Parameters<LookupFunction>[2],
  ): Promise<void> {
    const answer = await this.resolve(name).catch((error: unknown) => error as Error);
    if (answer instanceof Error) callback(answer, "", 4);
    else if (wantsAll) callback(null, [...answer]);
    else callback(null, answer[0]?.address ?? "", answer[0]?.family ?? 4);
  }
}

/** The host of a URL as node:net takes it: without the brackets of IPv6 and the dot at the end. */
export function bareHost(hostname: string): string {
  if (hostname.startsWith("[")) return hostname.slice(1, -1);
  return hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
}

function refusal(host: string, kind: "private" | "forbidden" | "not-an-address"): string {
  switch (kind) {
    case "private":
      return `${host} lies in a private network; start the broker with --allow-private-sinks to allow that`;
    case "forbidden":
      return `${host} is a link-local or metadata address; no sink may point there`;
    case "not-an-address":
      return `${host} is not an IP address`;
  }
}
