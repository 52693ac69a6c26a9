/**
 * JSON from users before it has been checked: what kind of value it is, where in it something
 * stands, and how its texts are shown in messages.
 */

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** "an object", "null": what a value is, for messages about a wrong kind of value. */
export function nameKind(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Whether a JSON value is at most `levels` deep; deeper ones could exhaust the stack. */
export function isWithinDepth(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (levels === 0) return false;
  return Object.values(value).every((member) => isWithinDepth(member, levels - 1));
}

/** `filters[0].exact` and `data.a` make `filters[0].exact["data.a"]`. */
export function memberPath(path: string, key: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && key.length <= SHOWN_LENGTH_MAX) {
    return `${path}.${key}`;
  }
  return `${path}[${JSON.stringify(shorten(key))}]`;
}

const SHOWN_LENGTH_MAX = 64;

/** Texts of users and events are shown cut, so that a message stays readable. */
export function shorten(text: string): string {
  if (text.length <= SHOWN_LENGTH_MAX) return text;
  return `${text.slice(0, SHOWN_LENGTH_MAX)}…`;
}

/** As shorten, in quotes, with the length of what was cut. */
export function quote(text: string): string {
  const cut = text.length > SHOWN_LENGTH_MAX ? ` (${text.length} characters)` : "";
  return `${JSON.stringify(shorten(text))}${cut}`;
}
