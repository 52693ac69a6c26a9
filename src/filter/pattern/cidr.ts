import { isIPv4, isIPv6 } from "node:net";

/** A block of addresses: the bytes that a member begins with. */
export interface AddressBlock {
  readonly bytes: readonly number[];
  readonly prefixBits: number;
}

const ADDRESS_LENGTH_MAX = 45;

/** Reads `10.0.0.0/8` or `2001:db8::/32`, or says what is wrong. */
export function parseBlock(text: string): AddressBlock | string {
  const [address = "", bits, rest] = text.split("/", 3);
  const bytes = parseAddress(address);
  if (bytes === undefined || rest !== undefined) {
    return "expected a block of addresses, as in 10.0.0.0/8 or 2001:db8::/32";
  }
  const bitsMax = bytes.length * 8;
  if (bits === undefined) return `the length is missing; one address is ${address}/${bitsMax}`;
  const prefixBits = /^(?:0|[1-9][0-9]{0,2})$/.test(bits) ? Number(bits) : Infinity;
  if (prefixBits > bitsMax) return `the length behind '/' is 0 to ${bitsMax}`;
  return { bytes, prefixBits };
}

/** Whether the text is an address of the block; an IPv4 address is in no IPv6 block. */
export function isInBlock(text: string, { bytes, prefixBits }: AddressBlock): boolean {
  const address = readAddress(text);
  if (address === undefined || address.length !== bytes.length) return false;
  const wholeBytes = prefixBits >> 3;
  for (let index = 0; index < wholeBytes; index += 1) {
    if (address[index] !== bytes[index]) return false;
  }
  const shift = 8 - (prefixBits & 7);
  if (shift === 8) return true;
  return (address[wholeBytes] ?? 0) >> shift === (bytes[wholeBytes] ?? 0) >> shift;
}

/** The address read last: the blocks of one list all ask for the same one. */
let lastText = "";
let lastAddress: readonly number[] | undefined;

function readAddress(text: string): readonly number[] | undefined {
  if (text !== lastText) {
    lastAddress = parseAddress(text);
    // Texts too long for an address are not kept alive.
    lastText = lastAddress === undefined ? "" : text;
  }
  return lastAddress;
}

function parseAddress(text: string): readonly number[] | undefined {
  if (text.length > ADDRESS_LENGTH_MAX || text.includes("%")) return undefined;
  if (isIPv4(text)) return text.split(".").map(Number);
  return isIPv6(text) ? bytesOfIPv6(text) : undefined;
}

/** The platform has checked the text: at most one `::`, and IPv4 only at the end. */
function bytesOfIPv6(text: string): readonly number[] {
  const [head = "", tail] = text.split("::", 2);
  const front = groupBytes(head);
  if (tail === undefined) return front;
  const back = groupBytes(tail);
  const middle = Array.from({ length: 16 - front.length - back.length }, () => 0);
  return [...front, ...middle, ...back];
}

function groupBytes(text: string): readonly number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
