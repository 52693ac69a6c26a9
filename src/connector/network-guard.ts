/**
 * Keeps sinks out of private networks (P8). An address is judged three times: a literal in the URL
 * when the subscription is made, every address a name resolves to when a connection is opened, and
 * the address the socket has really reached. Between the second and the third nothing is resolved
 * again, so an answer that changes in the meantime (rebinding) changes nothing.
 */
import type { LookupFunction } from "node:net";
import { isIP } from "node:net";

import { quote } from "../kernel/unchecked.ts";
import { limits } from "../kernel/limits.ts";
import { addressKind } from "./address-rules.ts";
import type { SinkTarget } from "./allowed-sinks.ts";
import { AllowedSinks, bareHost } from "./allowed-sinks.ts";
import type { NameResolver, ResolvedAddress } from "./name-resolver.ts";
import { isLocalhost } from "./name-resolver.ts";

export interface NetworkPolicy {
  /** Opens private networks; link-local and metadata addresses stay closed even then. */
  readonly allowPrivateSinks: boolean;
  /** Private sinks that are open all the same: hosts, addresses and networks, see AllowedSinks. */
  readonly allowSinks?: readonly string[];
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
  readonly #allowed: AllowedSinks;
  readonly #resolver: NameResolver;

  constructor(policy: NetworkPolicy, resolver: NameResolver) {
    this.#allowPrivate = policy.allowPrivateSinks;
    this.#allowed = new AllowedSinks(policy.allowSinks ?? []);
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
    const target = targetOf(url);
    const objections = [this.#objectionToPort(target), this.#objectionToHost(target)];
    for (const objection of objections) if (objection !== undefined) yield objection;
  }

  /** Why no connection may be made to this target: all that is known before names are resolved. */
  objectionToTarget(target: SinkTarget): string | undefined {
    return this.#objectionToPort(target) ?? this.#objectionToHost(target);
  }

  #objectionToHost(target: SinkTarget): string | undefined {
    const { host } = target;
    if (isIP(host) !== 0) return this.objectionToAddress(host, target);
    if (!isLocalhost(host)) return undefined;
    const isOpen = this.#isOpen("127.0.0.1", target) && this.#isOpen("::1", target);
    return isOpen ? undefined : refusal(host, "private");
  }

  #objectionToPort(target: SinkTarget): string | undefined {
    // Whoever allows private sinks, or names the port, vouches for what runs there.
    if (this.#allowPrivate || this.#allowed.namesPort(target)) return undefined;
    const { port } = target;
    if (closedPorts.has(port)) return `port ${port} belongs to a service that is not HTTP`;
    if (port >= lowestFreePort || port === 80 || port === 443) return undefined;
    return `port ${port} is closed to sinks; open are 80, 443 and 1024 to 65535`;
  }

  /** Why no connection may go to this address on the way to the target; undefined when one may. */
  objectionToAddress(address: string, target?: SinkTarget): string | undefined {
    const kind = addressKind(address);
    if (kind === "public") return undefined;
    if (kind === "private" && this.#isOpen(address, target)) return undefined;
    return refusal(address, kind);
  }

  #isOpen(address: string, target: SinkTarget | undefined): boolean {
    return this.#allowPrivate || this.#allowed.allows(address, target);
  }

  /** All addresses of the target's host; rejects when there are none or any one is not allowed. */
  async resolve(target: SinkTarget): Promise<readonly ResolvedAddress[]> {
    const { host } = target;
    const addresses = await this.#resolver.resolve(host);
    for (const { address } of addresses) {
      const objection = this.objectionToAddress(address, target);
      if (objection === undefined) continue;
      throw new AddressRefused(`${host} resolves to ${address}: ${objection}`);
    }
    return addresses;
  }

  /**
   * For `net.connect`: the socket connects to one of the addresses this hands out, so that what was
   * checked is what is connected to, while TLS and Host go on using the name.
   */
  lookupFor(target: SinkTarget): LookupFunction {
    return (_name, options, callback) => {
      void this.#lookUp(target, { wantsAll: options.all === true }, callback);
    };
  }

  async #lookUp(
    target: SinkTarget,
    { wantsAll }: { readonly wantsAll: boolean },
    callback: Parameters<LookupFunction>[2],
  ): Promise<void> {
    const answer = await this.resolve(target).catch((error: unknown) => error as Error);
    if (answer instanceof Error) callback(answer, "", 4);
    else if (wantsAll) callback(null, [...answer]);
    else callback(null, answer[0]?.address ?? "", answer[0]?.family ?? 4);
  }
}

function targetOf({ hostname, port, protocol }: URL): SinkTarget {
  const usual = protocol === "https:" ? 443 : 80;
  return { host: bareHost(hostname), port: port === "" ? usual : Number(port) };
}

function refusal(host: string, kind: "private" | "forbidden" | "not-an-address"): string {
  switch (kind) {
    case "private":
      return (
        `${host} lies in a private network; to allow that start the broker with ` +
        `--allow-sinks ${host}, or with --allow-private-sinks`
      );
    case "forbidden":
      return `${host} is a link-local or metadata address; no sink may point there`;
    case "not-an-address":
      return `${host} is not an IP address`;
  }
}
