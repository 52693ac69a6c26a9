/** One scalar of an event, named as in a filter: what `config.ordering.by` goes by. */
import type { EventView } from "../event/event-view.ts";
import { parsePlainPath } from "../expression/path.ts";
import { quote } from "../kernel/unchecked.ts";
import { compileScalarReader } from "./scalar.ts";

/** The value's text as filters compare it; undefined when the event has no such scalar. */
export type EventKeyReader = (view: EventView) => string | undefined;

export type EventKeyCompilation =
  | { readonly ok: true; readonly read: EventKeyReader }
  | { readonly ok: false; readonly message: string };

export function compileEventKey(text: string): EventKeyCompilation {
  const reading = parsePlainPath(text);
  if (!reading.ok) {
    const { position, message } = reading.failure;
    const place = text === "" ? "" : `${quote(text)}, column ${position + 1}: `;
    return { ok: false, message: `${place}${message}` };
  }
  const reader = compileScalarReader(reading.path);
  return { ok: true, read: (view) => reader.read(view) };
}
