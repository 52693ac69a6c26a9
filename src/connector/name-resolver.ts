import { lookup, Resolver } from "node:dns";

import type { Clock } from "../kernel/clock.ts";
import { systemErrorCode } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Turns a host name into all of its addresses; rejects when there are none. */
export interface NameResolver {
  resolve(name: string): Promise<readonly ResolvedAddress[]>;
}

/** The name could not be resolved; `cause` keeps what the resolver said. */
export class NameResolutionFailed extends Error {
  override readonly name = "NameResolutionFailed";
  readonly code = "MILLRACE_DNS";
}

/** Answers that mean "c-ares knows no such name", not "the name servers are unwell". */
const unknownToDns = new Set(["ENOTFOUND", "ENODATA", "ECONNREFUSED", "EBADNAME"]);

/**
 * Resolves through c-ares, which takes no thread of the pool that `fdatasync` shares. Only a name
 * that c-ares does not know (a line in /etc/hosts, a search domain) is looked up with
 * `dns.lookup`, one at a time, so that at most one pool thread ever waits for names.
 */
export function systemResolver(clock: Clock): NameResolver {
  const resolver = new Resolver({ timeout: limits.dnsTimeoutMs, tries: 1 });
  const lookups = new SerialLookups();
  return {
    async resolve(name) {
      const plain = name.endsWith(".") ? name.slice(0, -1) : name;
      // RFC 6761 §6.3: these are loopback by definition; asking would only cost time.
      if (isLocalhost(plain)) return loopback;
      try {
        return await withTimeout(clock, plain, queryBothFamilies(resolver, plain));
      } catch (cause) {
        if (!unknownToDns.has(systemErrorCode(cause) ?? "")) throw cause;
      }
      return withTimeout(clock, plain, lookups.lookup(plain));
    },
  };
}

const loopback: readonly ResolvedAddress[] = [
  { address: "127.0.0.1", family: 4 },
  { address: "::1", family: 6 },
];

export function isLocalhost(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}

async function queryBothFamilies(resolver: Resolver, name: string): Promise<ResolvedAddress[]> {
  const [v4, v6] = await Promise.allSettled([query(resolver, name, 4), query(resolver, name, 6)]);
  const found = [
    ...(v4.status === "fulfilled" ? v4.value : []),
    ...(v6.status === "fulfilled" ? v6.value : []),
  ];
  if (found.length > 0) return found;
  // A server that fails for one family may know the other: only two "unknown" are an unknown.
  throw mostTelling([v4, v6]);
}

function query(resolver: Resolver, name: string, family: 4 | 6): Promise<ResolvedAddress[]> {
  return new Promise((resolve, reject) => {
    const settled = (error: Error | null, addresses: readonly string[]): void => {
      if (error !== null) reject(error);
      else resolve(addresses.map((address) => ({ address, family })));
    };
    if (family === 4) resolver.resolve4(name, settled);
    else resolver.resolve6(name, settled);
  });
}

function mostTelling(results: readonly PromiseSettledResult<unknown>[]): Error {
  const errors = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as Error] : [],
  );
  const grave = errors.find((error) => !unknownToDns.has(systemErrorCode(error) ?? ""));
  return grave ?? errors[0] ?? new NameResolutionFailed("the name has no addresses");
}

/** One `dns.lookup` at a time; the next begins when the last has really left its pool thread. */
class SerialLookups {
  #last: Promise<unknown> = Promise.resolve();

  lookup(name: string): Promise<readonly ResolvedAddress[]> {
    const next = this.#last.then(() => lookupAll(name));
    this.#last = next.catch(() => undefined); // The caller of `lookup` hears of it; the queue goes on.
    return next;
  }
}

function lookupAll(name: string): Promise<readonly ResolvedAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(name, { all: true }, (error, addresses) => {
      if (error !== null) reject(error);
      else
        resolve(
          addresses.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 })),
        );
    });
  });
}

async function withTimeout<T>(clock: Clock, name: string, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = clock.after(limits.dnsTimeoutMs, () => {
    reject(new NameResolutionFailed(`no answer for ${name} within ${limits.dnsTimeoutMs} ms`));
  });
  try {
    return await Promise.race([work, promise]);
  } finally {
    timer.dispose();
  }
}

interface CacheEntry {
  readonly answer: Promise<readonly ResolvedAddress[]>;
  expiresAt: number;
}

/**
 * Remembers answers for limits.dnsCacheMs and failures for limits.dnsFailureCacheMs; callers that
 * ask while a query is under way share it. Full, it forgets its oldest name.
 */
export function cachedResolver(resolver: NameResolver, clock: Clock): NameResolver {
  const entries = new Map<string, CacheEntry>();
  return {
    resolve(name) {
      const known = entries.get(name);
      if (known !== undefined && known.expiresAt > clock.monotonic()) return known.answer;
      entries.delete(name);
      const entry: CacheEntry = { answer: resolveSome(resolver, name), expiresAt: Infinity };
      const keepFor = (durationMs: number): void => {
        entry.expiresAt = clock.monotonic() + durationMs;
      };
      entry.answer.then(
        () => keepFor(limits.dnsCacheMs),
        () => keepFor(limits.dnsFailureCacheMs),
      );
      if (entries.size >= limits.dnsCacheEntriesMax) forgetOldest(entries);
      entries.set(name, entry);
      return entry.answer;
    },
  };
}

function forgetOldest(entries: Map<string, CacheEntry>): void {
  const oldest = entries.keys().next();
  if (oldest.done !== true) entries.delete(oldest.value);
}

async function resolveSome(
  resolver: NameResolver,
  name: string,
): Promise<readonly ResolvedAddress[]> {
  try {
    const addresses = await resolver.resolve(name);
    if (addresses.length > 0) return addresses;
  } catch (cause) {
    if (cause instanceof NameResolutionFailed) throw cause;
    const code = systemErrorCode(cause);
    const why = code === undefined ? "" : ` (${code})`;
    throw new NameResolutionFailed(`the name ${name} cannot be resolved${why}`, { cause });
  }
  throw new NameResolutionFailed(`the name ${name} has no addresses`);
}
