import { isIPv6 } from "node:net";

/** What may stand in scheme, path, query and fragment at all; two searches, so never backtracking. */
const FOREIGN = /[^\w\-.~!$&'()*+,;=:@/?#% \u0080-\uffff]/;
const BROKEN_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const PORT = /^\d*$/;
const FUTURE_ADDRESS = /^v[0-9a-f]+\.[\w\-.~!$&'()*+,;=:]+$/i;

/**
 * Whether the text is a URI-reference of RFC 3986. Blanks and characters beyond ASCII pass besides:
 * senders that do not percent-encode their headers as the binding demands mean %20 and %C3%A9, and
 * the binding makes these of them.
 */
export function isUriReference(text: string): boolean {
  const end = text.search(/[:/?#]/);
  const hasScheme = end !== -1 && text[end] === ":";
  // A colon before any slash ends a scheme: the first segment of a relative path has none.
  if (hasScheme && !SCHEME.test(text.slice(0, end))) return false;
  const rest = hasScheme ? text.slice(end + 1) : text;
  if (!rest.startsWith("//")) return isPathToFragment(rest);
  const length = rest.slice(2).search(/[/?#]/);
  const authority = length === -1 ? rest.slice(2) : rest.slice(2, 2 + length);
  return isAuthority(authority) && isPathToFragment(rest.slice(2 + authority.length));
}

function isPathToFragment(text: string): boolean {
  if (FOREIGN.test(text) || BROKEN_PERCENT.test(text)) return false;
  const fragment = text.indexOf("#");
  return fragment === -1 || !text.includes("#", fragment + 1);
}

/** `user@host:port` with a name, or an address in brackets, as host. */
function isAuthority(text: string): boolean {
  const at = text.indexOf("@");
  const hostAndPort = text.slice(at + 1);
  if (at !== -1 && !isPathToFragment(text.slice(0, at))) return false;
  if (hostAndPort.startsWith("[")) {
    const close = hostAndPort.indexOf("]");
    if (close === -1 || !isAddress(hostAndPort.slice(1, close))) return false;
    const port = hostAndPort.slice(close + 1);
    return port === "" || (port.startsWith(":") && PORT.test(port.slice(1)));
  }
  const colon = hostAndPort.indexOf(":");
  const name = colon === -1 ? hostAndPort : hostAndPort.slice(0, colon);
  if (name.includes("@") || !isPathToFragment(name)) return false;
  return colon === -1 || PORT.test(hostAndPort.slice(colon + 1));
}

function isAddress(text: string): boolean {
  // A zone (`%eth0`) belongs to another RFC, and to one machine.
  return (isIPv6(text) && !text.includes("%")) || FUTURE_ADDRESS.test(text);
}
