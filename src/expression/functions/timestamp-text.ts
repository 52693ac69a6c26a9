const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,20})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Whether a text looks like an RFC 3339 time; Date.parse takes much more than that. */
export function isTimestampText(text: string): boolean {
  return text.length <= 60 && RFC3339.test(text);
}
