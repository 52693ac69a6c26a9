import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface NumberRange {
  readonly min: number;
  readonly max: number;
  readonly absent: number;
}

interface TextRange {
  readonly max: number;
  readonly absent: string;
}

/** Members that a later version builds: what they may say until then, by name. */
export type LaterMembers = Readonly<Record<string, readonly unknown[]>>;

/**
 * Reads the members of one object of untrusted JSON. Nothing throws: whatever is wrong is reported
 * with its path and a default is returned, so that one request shows every error at once.
 */
export class ObjectReader {
  readonly #object: JsonObject;
  readonly #path: string;
  readonly #violations: Violation[];
  readonly #known: Set<string> = new Set<string>();

  constructor(value: unknown, path: string, violations: Violation[]) {
    this.#path = path;
    this.#violations = violations;
    this.#object = isJsonObject(value) ? value : {};
    if (!isJsonObject(value) && value !== undefined) {
      this.report("", "wrong_type", `must be an object, not ${describe(value)}`);
    }
  }

  path(name: string): string {
    return joinPath(this.#path, name);
  }

  report(name: string, code: string, message: string): void {
    this.#violations.push({ path: name === "" ? this.#path : this.path(name), code, message });
  }

  /** The raw value, undefined when absent; null too when `null` means absent. */
  value(name: string): unknown {
    this.#known.add(name);
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }

  present(name: string): unknown {
    return this.value(name) ?? undefined;
  }

  /** All members, for those who judge them elsewhere. */
  entries(): JsonObject {
    return this.#object;
  }

  object(name: string): ObjectReader {
    return new ObjectReader(this.present(name), this.path(name), this.#violations);
  }

  text(name: string, range: TextRange): string {
    const value = this.present(name);
    if (value === undefined) return range.absent;
    if (typeof value !== "string") {
      this.report(name, "wrong_type", `must be a string, not ${describe(value)}`);
    } else if (value.length > range.max) {
      this.report(name, "too_long", `has ${value.length} characters; at most ${range.max}`);
    } else {
      return value;
    }
    return range.absent;
  }

  requiredText(name: string, max: number): string {
    const value = this.present(name);
    if (value === undefined || value === "") {
      this.report(name, "missing", "is required and must not be empty");
      return "";
    }
    return this.text(name, { max, absent: "" });
  }

  flag(name: string, absent: boolean): boolean {
    const value = this.present(name);
    if (value === undefined) return absent;
    if (typeof value === "boolean") return value;
    this.report(name, "wrong_type", `must be true or false, not ${describe(value)}`);
    return absent;
  }

  integer(name: string, range: NumberRange): number {
    const value = this.present(name);
    if (value === undefined) return range.absent;
    const isWhole = typeof value === "number" && Number.isSafeInteger(value);
    if (isWhole && value >= range.min && value <= range.max) return value;
    this.report(
      name,
      isWhole ? "out_of_range" : "wrong_type",
      `must be a whole number from ${range.min} to ${range.max}, not ${describe(value)}`,
    );
    return range.absent;
  }

  textMap(
    name: string,
    limits: { readonly entries: number; readonly length: number },
  ): Record<string, string> {
    const value = this.present(name);
    if (value === undefined) return {};
    if (!isJsonObject(value)) {
      this.report(name, "wrong_type", `must be an object of strings, not ${describe(value)}`);
      return {};
    }
    const entries = Object.entries(value);
    if (entries.length > limits.entries) {
      this.report(name, "too_many", `has ${entries.length} members; at most ${limits.entries}`);
    }
    for (const [key, each] of entries) {
      if (typeof each !== "string" || each.length > limits.length || key.length > limits.length) {
        const message = `must be a string of at most ${limits.length} characters under a name of at most as many`;
        this.report(`${name}.${key}`, "invalid_value", message);
      }
    }
    return Object.fromEntries(entries) as Record<string, string>;
  }

  /** Says of members of a later version that they are, unless they hold what is true today. */
  later(members: LaterMembers): void {
    for (const [name, allowed] of Object.entries(members)) {
      const value = this.value(name);
      if (value === undefined || allowed.includes(value)) continue;
      this.report(name, "not_supported_yet", `${name} is not supported by this version yet`);
    }
  }

  ignore(...names: readonly string[]): void {
    for (const name of names) this.#known.add(name);
  }

  refuseUnknown(): void {
    for (const name of Object.keys(this.#object)) {
      if (this.#known.has(name)) continue;
      const known = [...this.#known].join(", ");
      this.report(
        name,
        "unknown_member",
        `there is no member '${name.slice(0, 100)}' here; known: ${known}`,
      );
    }
  }
}

export function joinPath(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** A value in a message: short, whatever it is. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (isJsonObject(value)) return "an object";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Throws one error for all violations, if there are any. */
export function throwIfAny(what: string, violations: readonly Violation[]): void {
  const [first] = violations;
  if (first === undefined) return;
  const isLater = violations.every((each) => each.code === "not_supported_yet");
  const others = violations.length === 1 ? "" : ` (and ${violations.length - 1} more)`;
  const where = first.path === "" ? "" : `${first.path}: `;
  throw new BrokerError(
    isLater ? "not_supported_yet" : "invalid_resource",
    `${what}: ${where}${first.message}${others}`,
    { violations },
  );
}
