import type { DelayedEvent as ShownDelayed } from "../api/api.ts";
import type { DelayedEvent } from "../engine/engine.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";
import type { Buses, Page } from "./buses.ts";
import { structuredJson } from "./dead-letters.ts";
import { bytesOf, decodePayload } from "./delayed-append.ts";
import { placeOfDelayed } from "./delayed-id.ts";
import type { DelayedPlace } from "./delayed-id.ts";
import type { DelayedQueue } from "./delayed-queue.ts";
import type { ListQuery } from "./resource-table.ts";

/** Delayed events as the API shows them. */
export class DelayedEvents {
  readonly #buses: Buses;

  constructor(buses: Buses) {
    this.#buses = buses;
  }

  /** In the order in which they will be appended. A page also ends at readBytesMax. */
  async list(bus: string, query: ListQuery): Promise<Page<ShownDelayed>> {
    const { delayed } = this.#buses.require(bus);
    const { limit } = query;
    const after = query.after === undefined ? undefined : placeOf(query.after);
    const rows = await delayed.list({
      limit: limit + 1,
      bytes: limits.readBytesMax,
      ...from(after),
    });
    const page = rows.slice(0, limit);
    const hasMore = rows.length > limit || (await wasCut(delayed, page));
    const waiting = page.filter(({ id }) => !delayed.isAppended(id));
    return { items: waiting.map(present), next: hasMore ? page.at(-1)?.id : undefined };
  }

  async get(bus: string, id: string): Promise<ShownDelayed> {
    const { delayed } = this.#buses.require(bus);
    const event = await delayed.get(id);
    if (event === undefined || delayed.isAppended(id)) throw noSuchDelayed(bus, id);
    return present(event);
  }

  async cancel(bus: string, id: string): Promise<ShownDelayed> {
    const event = await this.#buses.require(bus).delayed.cancel(id);
    if (event === undefined) throw noSuchDelayed(bus, id);
    return present(event);
  }
}

/** Whether the page ended because of its bytes. An event is much smaller than half a page. */
async function wasCut(delayed: DelayedQueue, page: readonly DelayedEvent[]): Promise<boolean> {
  if (bytesOf(page) * 2 < limits.readBytesMax) return false;
  const rest = await delayed.list({ ...from(page.at(-1)), limit: 1, bytes: 1 });
  return rest.length > 0;
}

function from(after: DelayedPlace | undefined): { readonly after?: DelayedPlace } {
  return after === undefined ? {} : { after: { dueAt: after.dueAt, id: after.id } };
}

/** An id tells its place, so that a list goes on after an event that is gone by now. */
function placeOf(id: string): DelayedPlace {
  const place = placeOfDelayed(id);
  if (place !== undefined) return place;
  const message = `must be the id of a delayed event, not ${JSON.stringify(id.slice(0, 100))}`;
  const violations: Violation[] = [{ path: "after", code: "invalid_value", message }];
  throw new BrokerError("invalid_request", `after ${message}`, { violations });
}

function present({ id, dueAt, createdAt, payload }: DelayedEvent): ShownDelayed {
  return {
    id,
    due: new Date(dueAt).toISOString(),
    created: new Date(createdAt).toISOString(),
    event: structuredJson(decodePayload(payload)),
  };
}

function noSuchDelayed(bus: string, id: string): BrokerError {
  const shown = id.slice(0, limits.labelLengthMax);
  const detail = `no delayed event '${shown}' waits on bus '${bus}'`;
  return new BrokerError("delayed_not_found", detail);
}
