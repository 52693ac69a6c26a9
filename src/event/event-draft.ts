import type { ErrorCode } from "../kernel/error-codes.ts";
import { limits } from "../kernel/limits.ts";
import type { AttributeValue, EventReading, EventRefusal } from "./event.ts";
import { noExtensions } from "./event.ts";
import type { Reporter, ViolationCode, ViolationList } from "./validate.ts";
import {
  checkAttribute,
  checkMeaning,
  checkName,
  checkRequired,
  createViolationList,
  isCoreName,
} from "./validate.ts";

export interface DraftData {
  readonly data: Uint8Array | undefined;
  readonly dataIsImpliedJson: boolean;
}

/** One refusal with one reason that concerns the whole event or batch. */
export function refuse(
  code: ErrorCode,
  kind: ViolationCode,
  message: string,
  index?: number,
): EventRefusal {
  const violation = { path: "", code: kind, message };
  return {
    ok: false,
    code,
    violations: [index === undefined ? violation : { ...violation, index }],
  };
}

export function refuseTooLarge(bytes: number, index?: number): EventRefusal {
  return refuse(
    "event_too_large",
    "too_large",
    `the event has ${bytes} bytes; at most ${limits.eventBytesMax} (eventBytesMax) are taken`,
    index,
  );
}

/**
 * An event while its attributes come in, one by one, from headers or members. It checks each as it
 * comes and keeps going after a violation, so that finish can list all of them.
 */
export class EventDraft implements Reporter {
  #list: ViolationList | undefined;
  readonly #index: number | undefined;
  #specversion: string | undefined;
  #id: string | undefined;
  #source: string | undefined;
  #type: string | undefined;
  #subject: string | undefined;
  #time: string | undefined;
  #datacontenttype: string | undefined;
  #dataschema: string | undefined;
  #extensions: Map<string, AttributeValue> | undefined;
  #absent: Set<string> | undefined;

  constructor(index?: number) {
    this.#index = index;
  }

  get datacontenttype(): string | undefined {
    return this.#datacontenttype;
  }

  report(path: string, code: ViolationCode, message: string): void {
    this.#list ??= createViolationList(this.#index);
    this.#list.report(path, code, message);
  }

  /** Takes one attribute of either kind. */
  set(name: string, value: AttributeValue): void {
    if (this.#absent?.has(name) === true) this.reportRepeated(name);
    if (!isCoreName(name)) {
      this.#setExtension(name, value);
      checkAttribute(name, value, this);
    } else if (typeof value !== "string") {
      this.report(
        name,
        "invalid_type",
        `${name} ${String(value)} is not a string; put it in quotes`,
      );
    } else {
      this.#setCore(name, value);
      checkAttribute(name, value, this);
    }
  }

  /** Takes an attribute whose value is known to be printable ASCII, as headers nearly always are. */
  setPrintable(name: string, value: string): void {
    if (this.#absent?.has(name) === true) this.reportRepeated(name);
    if (isCoreName(name)) this.#setCore(name, value);
    else this.#setExtension(name, value);
    checkMeaning(name, value, this);
  }

  /** Takes an attribute whose value is null: it counts as absent, but still may come only once. */
  setAbsent(name: string): void {
    const isCore = isCoreName(name);
    if (!isCore && !checkName(name, this)) return;
    const isSet = isCore ? this.#isCoreSet(name) : this.#extensions?.has(name) === true;
    this.#absent ??= new Set();
    if (isSet || this.#absent.has(name)) this.reportRepeated(name);
    this.#absent.add(name);
  }

  #isCoreSet(name: string): boolean {
    const value = this.#exchange(name, undefined);
    this.#exchange(name, value);
    return value !== undefined;
  }

  #setExtension(name: string, value: AttributeValue): void {
    if (!checkName(name, this)) return;
    this.#extensions ??= new Map();
    if (this.#extensions.has(name)) this.reportRepeated(name);
    this.#extensions.set(name, value);
  }

  #setCore(name: string, value: string): void {
    const before = this.#exchange(name, value);
    if (before !== undefined) this.reportRepeated(name);
  }

  #exchange(name: string, value: string | undefined): string | undefined {
    let before: string | undefined;
    switch (name) {
      case "id":
        before = this.#id;
        this.#id = value;
        break;
      case "source":
        before = this.#source;
        this.#source = value;
        break;
      case "type":
        before = this.#type;
        this.#type = value;
        break;
      case "time":
        before = this.#time;
        this.#time = value;
        break;
      case "subject":
        before = this.#subject;
        this.#subject = value;
        break;
      case "datacontenttype":
        before = this.#datacontenttype;
        this.#datacontenttype = value;
        break;
      case "dataschema":
        before = this.#dataschema;
        this.#dataschema = value;
        break;
      default:
        before = this.#specversion;
        this.#specversion = value;
    }
    return before;
  }

  reportRepeated(name: string): void {
    this.report(name, "repeated", `${name} is given more than once; send each attribute once`);
  }

  /** What came, but was not usable, has been reported for that: it is not missing as well. */
  #require(name: string, value: string | undefined): void {
    if (value !== undefined) return;
    const isReported = this.#list?.violations.some(({ path }) => path === name) === true;
    if (!isReported) checkRequired(name, value, this);
  }

  /** The event, or everything that was wrong with it. */
  finish({ data, dataIsImpliedJson }: DraftData): EventReading {
    const id = this.#id;
    const source = this.#source;
    const type = this.#type;
    this.#require("specversion", this.#specversion);
    this.#require("id", id);
    this.#require("source", source);
    this.#require("type", type);
    if (
      this.#list !== undefined ||
      id === undefined ||
      source === undefined ||
      type === undefined
    ) {
      return { ok: false, code: "invalid_event", violations: this.#list?.violations ?? [] };
    }
    const event = {
      id,
      source,
      type,
      subject: this.#subject,
      time: this.#time,
      datacontenttype: this.#datacontenttype,
      dataschema: this.#dataschema,
      extensions: this.#extensions ?? noExtensions,
      data,
      dataIsImpliedJson,
    };
    return { ok: true, event };
  }
}
