/** What several commands share. */
import { CommandFailure } from "./command-failure.ts";
import type { Action, Arguments, Place, Reader, Work } from "./command.ts";
import type { Value } from "./value.ts";
import { textOf, wholeNumberOf } from "./value.ts";

/** The value at a place that must have one; null counts as none. */
export function presentAt(place: Place, work: Work): Value {
  const value = place.read(work);
  if (value === undefined || value === null) {
    throw new CommandFailure(`the event has no value at ${place.text}`);
  }
  return value;
}

/** Null counts as free: a member that is null may be filled. */
export function assertFree(place: Place, work: Work): void {
  const value = place.read(work);
  if (value === undefined || value === null) return;
  throw new CommandFailure(`${place.text} has a value already`);
}

export function textFrom(reader: Reader, work: Work): string {
  return textOf(reader(work));
}

export function positionFrom(reader: Reader, work: Work): number {
  return wholeNumberOf(reader(work));
}

/** A command that changes the text at its first argument in place. */
export function editText(args: Arguments, edit: (text: string, work: Work) => string): Action {
  const place = args.place(0);
  return (work) => {
    const before = textOf(presentAt(place, work));
    work.spend(before.length);
    const after = edit(before, work);
    work.spend(after.length);
    place.write(work, after);
  };
}

/** Where `needle` lies in `text` from `from` on; an empty needle is nowhere. */
export function indexOf(text: string, needle: string, from: number): number {
  return needle === "" ? -1 : text.indexOf(needle, from);
}

/** The text between two delimiters: the first opening one and the next closing one behind it. */
export function between(
  text: string,
  open: string,
  close: string,
): { readonly from: number; readonly start: number; readonly end: number; readonly to: number } {
  const from = indexOf(text, open, 0);
  if (from === -1) throw new CommandFailure(`the text has no ${JSON.stringify(open)}`);
  const start = from + open.length;
  const end = indexOf(text, close, start);
  if (end === -1) {
    const where = `behind ${JSON.stringify(open)}`;
    throw new CommandFailure(`the text has no ${JSON.stringify(close)} ${where}`);
  }
  return { from, start, end, to: end + close.length };
}
