import type { Value } from "./value.ts";

/** An attribute of an event, as commands see it. */
export type ScalarValue = string | number | boolean;

/**
 * What a pipeline works on: one event, its attributes and its data as a tree. Whoever runs commands
 * implements it; the commands know nothing of events.
 */
export interface Work {
  attribute(name: string): ScalarValue | undefined;
  /** Throws a CommandFailure when the attribute cannot have this value. */
  setAttribute(name: string, value: ScalarValue): void;
  /** Throws a CommandFailure for attributes that every event must have. */
  deleteAttribute(name: string): void;
  /** The root of the data; undefined when there is none. Throws when it is not JSON. */
  readonly data: Slot;
  /** The element of the list that array_foreach or render_array is at. */
  element: Slot | undefined;
  /** A variable of `define`. */
  variable(name: string): Value | undefined;
  /** Takes `amount` (characters, elements) off what the run may still spend, or throws. */
  spend(amount: number): void;
}

/** A place that holds a value or none. */
export interface Slot {
  get(): Value | undefined;
  set(value: Value): void;
  delete(): void;
}

/** A place in the event that a command reads, writes or removes. */
export interface Place {
  /** As written, for messages. */
  readonly text: string;
  read(work: Work): Value | undefined;
  write(work: Work, value: Value): void;
  remove(work: Work): void;
}

/** Reads an argument; throws a CommandFailure where the event has no such value. */
export type Reader = (work: Work) => Value;

/** One action, ready to run. */
export type Action = (work: Work) => void;

export interface Parameter {
  readonly name: string;
  /**
   * - `place`: a path that is written or edited: `$.data.x`, `$.attribute`, `@.x`.
   * - `value`: a constant, a path, or a variable.
   * - `constant`: known when the subscription is made.
   * - `action`: a command as a list.
   */
  readonly kind: "place" | "value" | "constant" | "action";
  readonly summary: string;
  readonly isOptional?: true;
  /** The last parameter may come more than once. */
  readonly isRepeated?: true;
}

/** The arguments of one use of a command, checked by number and kind. */
export interface Arguments {
  readonly count: number;
  place(index: number): Place;
  value(index: number): Reader;
  /** The values from `index` to the last. */
  values(index: number): readonly Reader[];
  text(index: number): string;
  /** The constant at `index`, or undefined where an optional one is left out. */
  optionalText(index: number): string | undefined;
  actions(index: number): Action;
  /** Places whose names are that of a place with -0, -1 … behind it. */
  sequence(index: number): (number: number) => Place;
}

/** What an example does to an event; tests run it and the reference shows it. */
export interface CommandExample {
  readonly command: readonly unknown[];
  readonly data?: unknown;
  readonly attributes?: Readonly<Record<string, ScalarValue>>;
  /** What comes out; members that are absent stay as they are. */
  readonly result?: {
    readonly data?: unknown;
    readonly attributes?: Readonly<Record<string, ScalarValue>>;
  };
  /** Or a part of the sentence with which it fails. */
  readonly failure?: string;
}

export type CommandGroup =
  | "structure"
  | "math"
  | "date"
  | "string"
  | "condition"
  | "array"
  | "other";

/** One command of the pipeline. A new one is a file with this and a line in commands.ts. */
export interface Command {
  readonly name: string;
  /** Names that only a manual uses. */
  readonly aliases?: readonly string[];
  readonly group: CommandGroup;
  /** One sentence. */
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  readonly examples: readonly CommandExample[];
  /** Throws a CommandRefusal for what can never work. */
  readonly compile: (args: Arguments) => Action;
}
