import { BlockList, isIP } from "node:net";

/**
 * What kind of network an address lies in. `forbidden` addresses hand out credentials to whoever
 * asks (link-local and the metadata services of the clouds), so no option opens them.
 */
export type AddressKind = "public" | "private" | "forbidden" | "not-an-address";

/** Every range of the special-purpose registries that is not the public internet. */
const privateV4: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/**
 * A rule for ::ffff:0:0/96 is left out on purpose: node:net would then take every IPv4 address for
 * blocked. It is not needed, since IPv4 rules match the mapped form by themselves.
 */
const privateV6: readonly string[] = [
  "::/96",
  // IPv4-translated (RFC 2765): a translator on the way would take it to any IPv4 address.
  "::ffff:0:0:0/96",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
  "5f00::/16",
  "fc00::/7",
  "fec0::/10",
  "ff00::/8",
];

const forbiddenV4: readonly string[] = [
  "169.254.0.0/16",
  "100.100.100.200/32",
  "168.63.129.16/32",
  "192.0.0.192/32",
];

const forbiddenV6: readonly string[] = ["fe80::/10", "fd00:ec2::254/128"];

interface Subnet {
  readonly network: string;
  readonly bits: number;
}

function subnet(text: string): Subnet {
  const slash = text.indexOf("/");
  return { network: text.slice(0, slash), bits: Number(text.slice(slash + 1)) };
}

/** The IPv6 spellings that carry an IPv4 network: NAT64, 6to4, translated and the deprecated compatible form. */
function embeddings(v4: Subnet): readonly Subnet[] {
  const bytes = v4.network.split(".").map(Number);
  const word = (at: number): string =>
    (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16);
  const groups = `${word(0)}:${word(2)}`;
  return [
    { network: `64:ff9b::${groups}`, bits: 96 + v4.bits },
    { network: `2002:${groups}::`, bits: 16 + v4.bits },
    { network: `::${groups}`, bits: 96 + v4.bits },
    { network: `::ffff:0:${groups}`, bits: 96 + v4.bits },
  ];
}

function blockList(v4: readonly string[], v6: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of v4) {
    const rule = subnet(text);
    list.addSubnet(rule.network, rule.bits, "ipv4");
    for (const embedded of embeddings(rule))
      list.addSubnet(embedded.network, embedded.bits, "ipv6");
  }
  for (const text of v6) {
    const rule = subnet(text);
    list.addSubnet(rule.network, rule.bits, "ipv6");
  }
  return list;
}

const privateNetworks = blockList(privateV4, privateV6);
const forbiddenNetworks = blockList(forbiddenV4, forbiddenV6);

/** A list of networks in CIDR notation (`10.0.0.0/8`) or of single addresses. */
export function networkList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of networks) {
    const { network, bits } = subnet(text.includes("/") ? text : `${text}/${hostBits(text)}`);
    list.addSubnet(network, bits, isIP(network) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

function hostBits(address: string): number {
  return isIP(address) === 6 ? 128 : 32;
}

export function isListed(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
}

/** Takes an address as node:net prints it; a zone (`fe80::1%eth0`) does not change its kind. */
export function addressKind(text: string): AddressKind {
  const percent = text.indexOf("%");
  const address = percent === -1 ? text : text.slice(0, percent);
  if (isIP(address) === 0) return "not-an-address";
  if (isListed(forbiddenNetworks, address)) return "forbidden";
  return isListed(privateNetworks, address) ? "private" : "public";
}
