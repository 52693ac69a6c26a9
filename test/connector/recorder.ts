/** A consumer that takes everything and remembers it. */
import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";

import type { TestServer } from "./support.ts";
import { bodyOf, httpServer } from "./support.ts";

export interface Seen {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export async function recorder(): Promise<TestServer & { readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = await httpServer((request, response) => {
    void bodyOf(request).then((body) => {
      seen.push({ method: request.method, path: request.url, headers: request.headers, body });
      response.writeHead(202).end();
    });
  });
  return { ...server, seen };
}

export function only(seen: readonly Seen[]): Seen {
  const [first] = seen;
  assert.equal(seen.length, 1);
  assert.ok(first !== undefined);
  return first;
}
