import type { AttributeValue, CloudEvent } from "../event/event.ts";
import { attributeOf, hasJsonData } from "../event/event.ts";
import type { EventView } from "../event/event-view.ts";
import { checkAttribute, isCoreName } from "../event/validate.ts";
import type { Slot, Value, Work } from "../expression/functions/commands.ts";
import { CommandFailure, jsonOf, valueOf } from "../expression/functions/commands.ts";
import { limits } from "../kernel/limits.ts";

/** What every event must have; commands may replace these attributes, but not remove them. */
const required: ReadonlySet<string> = new Set(["id", "source", "type", "specversion"]);
/** What says how the data is to be read: it follows the data. */
const fixed: ReadonlySet<string> = new Set(["specversion", "datacontenttype"]);

/**
 * One event while a pipeline changes it. The event itself stays as it is; attributes and data are
 * taken apart only when a command asks for them, and put together again by `finish`.
 */
export class EventWork implements Work {
  element: Slot | undefined = undefined;
  readonly data: Slot;
  readonly #view: EventView;
  readonly #variables: (name: string) => Value | undefined;
  #changed: Map<string, AttributeValue | undefined> | undefined;
  #tree: { value: Value | undefined } | undefined;
  #left: number = limits.pipelineWorkMax;

  constructor(view: EventView, variables: (name: string) => Value | undefined) {
    this.#view = view;
    this.#variables = variables;
    this.data = {
      get: () => this.#data().value,
      set: (value) => {
        this.#data().value = value;
      },
      delete: () => {
        this.#data().value = new Map();
      },
    };
  }

  attribute(name: string): AttributeValue | undefined {
    const { event } = this.#view;
    if (this.#changed === undefined || !this.#changed.has(name)) return attributeOf(event, name);
    return this.#changed.get(name);
  }

  setAttribute(name: string, value: AttributeValue): void {
    if (fixed.has(name)) throw new CommandFailure(`the attribute ${name} cannot be changed`);
    // The attributes of the specification are texts in every format.
    const stored = isCoreName(name) ? String(value) : value;
    checkAttribute(name, stored, {
      report: (_path, _code, message) => {
        throw new CommandFailure(message);
      },
    });
    this.#changed ??= new Map();
    this.#changed.set(name, stored);
  }

  deleteAttribute(name: string): void {
    if (required.has(name) || fixed.has(name)) {
      throw new CommandFailure(`every event needs its ${name}; it cannot be deleted`);
    }
    this.#changed ??= new Map();
    this.#changed.set(name, undefined);
  }

  variable(name: string): Value | undefined {
    return this.#variables(name);
  }

  spend(amount: number): void {
    this.#left -= amount;
    if (this.#left >= 0) return;
    const most = `more than ${limits.pipelineWorkMax} (pipelineWorkMax)`;
    throw new CommandFailure(`the commands copy and make ${most} characters for this event`);
  }

  /** The event as the commands have left it; the same object when they changed nothing. */
  finish(): CloudEvent {
    const { event } = this.#view;
    const data = this.#finishedData();
    if (data === undefined && this.#changed === undefined) return event;
    const text = (name: string): string | undefined => {
      const value = this.attribute(name);
      return value === undefined ? undefined : String(value);
    };
    return {
      id: text("id") ?? event.id,
      source: text("source") ?? event.source,
      type: text("type") ?? event.type,
      subject: text("subject"),
      time: text("time"),
      datacontenttype: this.#contentType(data),
      dataschema: text("dataschema"),
      extensions: this.#extensions(),
      data: data ?? event.data,
      dataIsImpliedJson: event.dataIsImpliedJson,
    };
  }

  #data(): { value: Value | undefined } {
    this.#tree ??= { value: this.#readData() };
    return this.#tree;
  }

  #readData(): Value | undefined {
    if (this.#view.event.data === undefined) return undefined;
    const document = this.#view.dataDocument();
    if (document === undefined) {
      throw new CommandFailure("the data of the event is not JSON, and commands change JSON only");
    }
    this.spend(document.text.length);
    return valueOf(document, document.root);
  }

  /** Undefined when no command has looked into the data. */
  #finishedData(): Buffer | undefined {
    const value = this.#tree?.value;
    if (value === undefined) return undefined;
    const data = Buffer.from(jsonOf(value));
    if (data.length <= limits.transformOutputBytesMax) return data;
    const most = `at most ${limits.transformOutputBytesMax} (transformOutputBytesMax)`;
    throw new CommandFailure(`the data has grown to ${data.length} bytes; ${most}`);
  }

  #contentType(data: Buffer | undefined): string | undefined {
    const { event } = this.#view;
    return data === undefined || hasJsonData(event) ? event.datacontenttype : "application/json";
  }

  #extensions(): ReadonlyMap<string, AttributeValue> {
    const { extensions } = this.#view.event;
    if (this.#changed === undefined) return extensions;
    const changed = new Map(extensions);
    for (const [name, value] of this.#changed) {
      if (isCoreName(name)) continue;
      if (value === undefined) changed.delete(name);
      else changed.set(name, value);
    }
    return changed;
  }
}
