import { decodeUtf8 } from "../kernel/bytes.ts";
import type { JsonDocument } from "../kernel/json.ts";
import { readJson } from "../kernel/json.ts";
import type { CloudEvent } from "./event.ts";
import { hasJsonData } from "./event.ts";

/**
 * One event while it is matched and transformed for all subscriptions: whatever is costly to derive
 * (text of the data, its JSON document) is derived at most once, and only if somebody asks.
 */
export interface EventView {
  readonly event: CloudEvent;
  /** The data as text; undefined when there is none or it is not UTF-8. */
  dataText(): string | undefined;
  /** The data as a JSON document; undefined when it is not (valid) JSON. */
  dataDocument(): JsonDocument | undefined;
}

export function createEventView(event: CloudEvent): EventView {
  return new LazyEventView(event);
}

class LazyEventView implements EventView {
  readonly event: CloudEvent;
  #text: string | undefined;
  #hasText = false;
  #document: JsonDocument | undefined;
  #hasDocument = false;

  constructor(event: CloudEvent) {
    this.event = event;
  }

  dataText(): string | undefined {
    if (!this.#hasText) {
      this.#hasText = true;
      const { data } = this.event;
      this.#text = data === undefined ? undefined : decodeUtf8(data);
    }
    return this.#text;
  }

  dataDocument(): JsonDocument | undefined {
    if (!this.#hasDocument) {
      this.#hasDocument = true;
      this.#document = this.#readDocument();
    }
    return this.#document;
  }

  #readDocument(): JsonDocument | undefined {
    if (!hasJsonData(this.event)) return undefined;
    const text = this.dataText();
    if (text === undefined) return undefined;
    const reading = readJson(text);
    return reading.ok ? reading.document : undefined;
  }
}
