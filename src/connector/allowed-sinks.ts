import type { BlockList } from "node:net";
import { isIP } from "node:net";

import { quote } from "../kernel/unchecked.ts";
import { addressKind, isListed, networkList } from "./address-rules.ts";

/** Where a connection is meant to go: the host as the URL names it, and the port. */
export interface SinkTarget {
  readonly host: string;
  readonly port: number;
}

/** One entry of `--allow-sinks`. */
type AllowedSink = (
  | { readonly kind: "host"; readonly host: string }
  /** `*.svc.cluster.local`, without its asterisk. */
  | { readonly kind: "suffix"; readonly suffix: string }
  | { readonly kind: "network"; readonly network: BlockList }
) & { readonly port: number | undefined };

/**
 * The private sinks that an operator allows by name, by address or by network. An entry with a port
 * opens that port only, whatever usually runs there; one without leaves the rules for ports alone.
 */
export class AllowedSinks {
  readonly #entries: readonly AllowedSink[];

  /** The texts have passed objectionToAllowedSink. */
  constructor(texts: readonly string[]) {
    this.#entries = texts.flatMap((text) => parse(text) ?? []);
  }

  /** Whether a private address may be connected to, on the way to this target. */
  allows(address: string, target: SinkTarget | undefined): boolean {
    return this.#entries.some((entry) => isFor(entry, address, target));
  }

  /** Whether an entry names this very port for the target, so that the rules for ports are off. */
  namesPort(target: SinkTarget): boolean {
    return this.#entries.some(
      (entry) => entry.port === target.port && isFor(entry, target.host, target),
    );
  }
}

function isFor(entry: AllowedSink, address: string, target: SinkTarget | undefined): boolean {
  if (entry.port !== undefined && entry.port !== target?.port) return false;
  switch (entry.kind) {
    case "network":
      return isListed(entry.network, address);
    case "host":
      return target?.host === entry.host;
    case "suffix":
      return target?.host.endsWith(entry.suffix) === true;
  }
}

/** Why the text cannot be an entry of `--allow-sinks`. */
export function objectionToAllowedSink(text: string): string | undefined {
  if (text === "*") return `"*" means every host; say --allow-private-sinks for that`;
  const entry = parse(text);
  if (entry === undefined) {
    return (
      `${quote(text)} is neither a host (crm.internal, *.svc.cluster.local, crm.internal:8443), ` +
      "an address (10.1.2.3, [fd00::1]:8080) nor a network (10.1.0.0/16)"
    );
  }
  const address = entry.kind === "network" ? addressOf(text) : "";
  if (address !== "" && addressKind(address) === "forbidden") {
    return `${quote(text)} is a link-local or metadata address, which nothing opens`;
  }
  return undefined;
}

const NETWORK = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/;
const PORT = /^(.*[^:]):(\d{1,5})$/;
const HOST = /^[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?$/;

function parse(text: string): AllowedSink | undefined {
  const [, network, bits] = NETWORK.exec(text) ?? [];
  if (network !== undefined) {
    const family = isIP(network);
    if (family === 0 || Number(bits) > (family === 6 ? 128 : 32)) return undefined;
    return { kind: "network", network: networkList([text]), port: undefined };
  }
  if (isIP(text) === 6) return { kind: "network", network: networkList([text]), port: undefined };
  const [, before, digits] = PORT.exec(text) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined;
  return parseHost(before ?? text, port);
}

function parseHost(text: string, port: number | undefined): AllowedSink | undefined {
  const isSuffix = text.startsWith("*.");
  const host = foldHost(isSuffix ? text.slice(2) : text);
  if (host === undefined) return undefined;
  if (isIP(host) !== 0) {
    return isSuffix ? undefined : { kind: "network", network: networkList([host]), port };
  }
  return isSuffix ? { kind: "suffix", suffix: `.${host}`, port } : { kind: "host", host, port };
}

/** Written as the URL of a sink will have it: folded, in lower case, in punycode. */
function foldHost(text: string): string | undefined {
  const url = URL.parse(`http://${text}/`);
  const isHostOnly = url !== null && url.href === `http://${url.host}/` && url.port === "";
  if (!isHostOnly || text.includes("/")) return undefined;
  const host = bareHost(url.hostname);
  return isIP(host) !== 0 || HOST.test(host) ? host : undefined;
}

function addressOf(text: string): string {
  const [, network] = NETWORK.exec(text) ?? [];
  if (network !== undefined) return network;
  if (isIP(text) !== 0) return text;
  return foldHost(text.replace(/:\d+$/, "")) ?? "";
}

/** The host of a URL as node:net takes it: without the brackets of IPv6 and the dot at the end. */
export function bareHost(hostname: string): string {
  if (hostname.startsWith("[")) return hostname.slice(1, -1);
  return hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
}
