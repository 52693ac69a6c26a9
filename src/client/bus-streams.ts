import { exportPath, headerNames, importPath, mediaTypes, streamPath } from "../api/routes.ts";
import { sleep, systemClock } from "../kernel/clock.ts";
import { ClientError, UnreachableError } from "./client-errors.ts";
import type { Ask } from "./client-errors.ts";
import { StreamParser } from "./event-stream.ts";
import type { StreamItem, StreamPiece } from "./event-stream.ts";
import { LineBodies } from "./line-requests.ts";
import type { ByteSource } from "./line-requests.ts";

export type { StreamItem } from "./event-stream.ts";
export type { ByteSource } from "./line-requests.ts";

export interface StreamOptions {
  readonly from: string;
  readonly filters?: readonly unknown[];
  readonly signal?: AbortSignal;
  /** How long to wait before connecting again (1 s); null ends with the connection. */
  readonly reconnectMs?: number | null;
}

export interface ExportOptions {
  readonly from?: string;
  /** Exclusive. */
  readonly to?: string;
  readonly filters?: readonly unknown[];
}

export interface ExportAnswer {
  /** JSON lines; fails when the export breaks off. */
  readonly lines: ByteSource;
  /** Where the next export begins. */
  readonly next: number;
  /** Offsets of the range that hold no event any more. Ask when all lines have been read. */
  gaps(): Promise<string | undefined>;
}

export interface ImportAnswer {
  readonly lines: number;
  readonly imported: number;
  readonly duplicates: number;
  readonly first: number | null;
  readonly next: number | null;
}

export interface ImportOptions {
  /** Called after each request of the import with what has been imported so far. */
  readonly onProgress?: (soFar: ImportAnswer) => void;
  /** About how many bytes one request carries. */
  readonly requestBytes?: number;
}

const IMPORT_REQUEST_BYTES = 67_108_864;

const RECONNECT_MS = 1000;

export async function* streamBus(
  ask: Ask,
  bus: string,
  options: StreamOptions,
): AsyncGenerator<StreamItem> {
  const { signal, reconnectMs = RECONNECT_MS } = options;
  const path = `${streamPath(bus)}?${searchOf(options).toString()}`;
  const place: Place = { lastId: undefined };
  while (!isAborted(signal)) {
    try {
      yield* itemsOf(connect(ask, { path, lastId: place.lastId, signal }), place);
    } catch (thrown) {
      if (isAborted(signal)) return;
      if (reconnectMs === null || (thrown instanceof ClientError && !isPassing(thrown))) {
        throw thrown;
      }
    }
    if (reconnectMs === null) return;
    // An aborted wait is the end, which the loop sees for itself.
    await sleep(systemClock, reconnectMs, signal).catch(() => undefined);
  }
}

/** How far a stream has come, over all its connections. */
interface Place {
  lastId: number | undefined;
}

async function* itemsOf(
  pieces: AsyncIterable<StreamPiece>,
  place: Place,
): AsyncGenerator<StreamItem> {
  for await (const { item, id } of pieces) {
    place.lastId = id ?? place.lastId;
    if (item.kind !== "reached") yield item;
  }
}

/** A function, because the signal changes behind the back of the control flow. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

interface Connection {
  readonly path: string;
  readonly lastId: number | undefined;
  readonly signal: AbortSignal | undefined;
}

async function* connect(
  ask: Ask,
  { path, lastId, signal }: Connection,
): AsyncGenerator<StreamPiece> {
  const answer = await ask({
    method: "GET",
    path,
    headers: lastId === undefined ? {} : { "last-event-id": String(lastId) },
    ...(signal === undefined ? {} : { signal }),
  });
  const parser = new StreamParser();
  const decoder = new TextDecoder();
  for await (const chunk of bytesOf(answer)) {
    yield* parser.take(decoder.decode(chunk, { stream: true }));
  }
}

/** A broker that is overloaded or restarting takes the same request later. */
function isPassing({ problem }: ClientError): boolean {
  return problem.status === 429 || problem.status === 503;
}

export async function exportBus(
  ask: Ask,
  bus: string,
  options: ExportOptions,
): Promise<ExportAnswer> {
  const search = searchOf(options);
  if (options.to !== undefined) search.set("to", options.to);
  const answer = await ask({ method: "GET", path: `${exportPath(bus)}?${search.toString()}` });
  const next = Number(answer.headers.get(headerNames.nextOffset));
  return {
    lines: bytesOf(answer),
    next,
    gaps: async () => {
      // Damage may have been found while reading; by now the broker knows it beforehand.
      search.set("to", String(next));
      const { headers } = await ask({
        method: "HEAD",
        path: `${exportPath(bus)}?${search.toString()}`,
      });
      return headers.get(headerNames.gap) ?? undefined;
    },
  };
}

export async function importBus(
  ask: Ask,
  { bus, source }: { readonly bus: string; readonly source: ByteSource },
  { requestBytes = IMPORT_REQUEST_BYTES, onProgress }: ImportOptions,
): Promise<ImportAnswer> {
  const bodies = new LineBodies(source, requestBytes);
  let total: ImportAnswer = { lines: 0, imported: 0, duplicates: 0, first: null, next: null };
  for (let body = await bodies.next(); body !== undefined; body = await bodies.next()) {
    const linesBefore = bodies.lines;
    try {
      const answer = await ask({
        method: "POST",
        path: importPath(bus),
        contentType: mediaTypes.lines,
        body: ReadableStream.from(body),
      });
      total = sumOf(total, (await answer.json()) as ImportAnswer);
    } catch (thrown) {
      throw thrown instanceof ClientError ? inWhole(thrown, linesBefore, total) : thrown;
    }
    onProgress?.(total);
  }
  return total;
}

/** What an import that failed in a later request says of the whole: the broker knows only its part. */
function inWhole(error: ClientError, linesBefore: number, before: ImportAnswer): ClientError {
  if (linesBefore === 0) return error;
  const { problem } = error;
  const detail =
    `${problem.detail}. That request began after line ${linesBefore}; ` +
    `${before.lines} lines had been imported by the requests before it`;
  return new ClientError({ ...problem, detail, errors: [] });
}

export function searchOf(query: {
  readonly from?: string;
  readonly filters?: readonly unknown[];
}): URLSearchParams {
  const search = new URLSearchParams();
  if (query.from !== undefined) search.set("from", query.from);
  if (query.filters !== undefined) search.set("filter", JSON.stringify(query.filters));
  return search;
}

async function* bytesOf(answer: Response): AsyncGenerator<Uint8Array> {
  if (answer.body === null) return;
  try {
    yield* answer.body;
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new UnreachableError(`the broker broke off its answer: ${reason}`, { cause: thrown });
  }
}

function sumOf(left: ImportAnswer, right: ImportAnswer): ImportAnswer {
  return {
    lines: left.lines + right.lines,
    imported: left.imported + right.imported,
    duplicates: left.duplicates + right.duplicates,
    first: left.first ?? right.first,
    next: right.next ?? left.next,
  };
}
