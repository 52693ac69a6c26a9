/** Text operations on valid JSON that need no parse. */

const BLANK = /[ \t\n\r]/;

/** The same JSON without white space between its parts; strings and numbers stay as written. */
export function compactJson(raw: string): string {
  if (!BLANK.test(raw)) return raw;
  let compact = "";
  let copied = 0;
  let position = 0;
  while (position < raw.length) {
    const code = raw.charCodeAt(position);
    if (code === QUOTE) position = stringEnd(raw, position);
    else if (code <= SPACE) {
      // In valid JSON every character up to the space is white space here.
      compact += raw.slice(copied, position);
      position += 1;
      copied = position;
    } else position += 1;
  }
  return compact + raw.slice(copied);
}

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function stringEnd(raw: string, start: number): number {
  let position = start + 1;
  for (; position < raw.length; position += 1) {
    const code = raw.charCodeAt(position);
    if (code === QUOTE) return position + 1;
    if (code === BACKSLASH) position += 1;
  }
  return position;
}

/** The text as it stands inside the quotes of a JSON string. Lone surrogates become escapes. */
export function escapeText(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
