import type { ServerResponse } from "node:http";
import { Type } from "typebox";
import { headerNames, mediaTypes, paths } from "../api/routes.ts";
import { GapList } from "../broker/broker.ts";
import type { Broker, EventMatcher, EventPump, PumpSink, ReadRange } from "../broker/broker.ts";
import type { CloudEvent } from "../event/event.ts";
import { toBrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import type { LongAnswer, LongAnswers } from "./long-answers.ts";
import type { RouteContext } from "./route-context.ts";
import { problem } from "./documents.ts";
import { exportLine } from "./event-lines.ts";
import {
  FILTER_PARAMETER,
  filterParameter,
  fromParameter,
  gapText,
  matcherOf,
} from "./read-query.ts";
import { parameter, queryOf } from "./request.ts";
import { routePath } from "./route-path.ts";

/** A part of a bus as JSON lines, in constant memory. */
export function exportRoutes({ app, broker, answers }: RouteContext): void {
  app.get(routePath(paths.export), { schema: document }, async (request, reply) => {
    const { from = "earliest", to } = queryOf(request, ["from", "to"], [FILTER_PARAMETER]);
    const matcher = matcherOf(request);
    const busName = parameter(request, "bus");
    const range = await broker.reader.range(busName, { from, to });
    const headers: Record<string, string> = {
      "content-type": mediaTypes.lines,
      [headerNames.nextOffset]: String(range.to),
    };
    if (range.gaps.size > 0) headers[headerNames.gap] = gapText(range.gaps);
    if (request.method === "HEAD") return reply.headers(headers).send();
    answers.refuseBeyond("export");
    reply.hijack();
    const isFromEarliest = from === "earliest";
    const work: ExportWork = { busName, range, matcher, isFromEarliest };
    new BusExport({ broker, answers, response: reply.raw, work }).open(headers);
    return reply;
  });
}

interface ExportWork {
  readonly busName: string;
  readonly range: ReadRange;
  readonly matcher: EventMatcher | undefined;
  readonly isFromEarliest: boolean;
}

interface ExportOptions {
  readonly broker: Broker;
  readonly answers: LongAnswers;
  readonly response: ServerResponse;
  readonly work: ExportWork;
}

/**
 * One export under way. Whatever keeps it from its end breaks the connection off, so that nobody
 * takes a part for the whole.
 */
class BusExport implements PumpSink, LongAnswer {
  readonly kind = "export";
  readonly response: ServerResponse;
  readonly #options: ExportOptions;
  readonly #pump: EventPump;
  readonly #bus: unknown;
  readonly #gaps: GapList = new GapList();
  #lines: Buffer[] = [];
  #count = 0;

  constructor(options: ExportOptions) {
    const { broker, response, work } = options;
    this.#options = options;
    this.response = response;
    this.#bus = broker.reader.bus(work.busName);
    this.#pump = broker.reader.follow(
      work.busName,
      {
        from: work.range.from,
        to: work.range.to,
        matcher: work.matcher,
        limit: { records: limits.readTurnEventsMax, bytes: limits.exportTurnBytesMax },
      },
      this,
    );
  }

  open(headers: Readonly<Record<string, string>>): void {
    this.#options.answers.open(this);
    const trailer = `${headerNames.gap}, ${headerNames.count}`;
    this.response.writeHead(200, { ...headers, trailer });
    this.response.flushHeaders();
    this.#pump.start();
  }

  event(_offset: Offset, event: CloudEvent): void {
    this.#lines.push(exportLine(event), lineFeed);
    this.#count += 1;
  }

  gap(gap: { readonly from: Offset; readonly to: Offset; readonly reason: string }): void {
    const { range, isFromEarliest } = this.#options.work;
    if (isFromEarliest && gap.reason === "trimmed" && gap.from <= range.from) return;
    if (this.#gaps.size < limits.gapRangesMax) this.#gaps.add(gap);
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.response.write(Buffer.concat(lines));
    this.#options.answers.noteHeld(this);
  }

  isReady(): boolean {
    return this.#options.answers.hasRoom(this);
  }

  onRoom(): void {
    this.#pump.resume();
  }

  ended(): void {
    this.response.addTrailers({
      [headerNames.gap]: gapText(this.#gaps),
      [headerNames.count]: String(this.#count),
    });
    this.response.end();
  }

  failed(thrown: unknown): void {
    this.#options.broker.reportInternal(toBrokerError(thrown));
    this.response.destroy();
  }

  onSweep(): void {
    const { broker, work } = this.#options;
    if (broker.reader.bus(work.busName) !== this.#bus) this.response.destroy();
  }

  onClosed(): void {
    this.#pump.close();
    this.#lines = [];
  }
}

const lineFeed = Buffer.from("\n");

const document = {
  summary: "Export a bus as JSON lines",
  description:
    "One structured event a line, in the order of offsets; an import of them makes the same events. " +
    "Offsets that hold no event any more are named in the header millrace-gap as far as they are known, " +
    "and completely in a trailer of that name; a HEAD request afterwards tells them too. A connection " +
    "that breaks off means that the export is not complete.",
  tags: ["buses"],
  querystring: Type.Object({
    from: fromParameter,
    to: Type.Optional(
      Type.String({
        description: "where it ends, exclusive: an offset, latest (default) or an RFC 3339 time",
      }),
    ),
    filter: filterParameter,
  }),
  response: {
    200: {
      headers: {
        [headerNames.nextOffset]: Type.Integer({ description: "where the next export begins" }),
        [headerNames.gap]: Type.Optional(Type.String({ description: "a-b,c-d, inclusive" })),
      },
      content: { [mediaTypes.lines]: { schema: Type.String() } },
    },
    400: problem,
    404: problem,
    429: problem,
  },
};
