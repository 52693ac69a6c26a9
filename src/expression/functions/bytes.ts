/** Positions in texts count bytes of UTF-8, as those who come from Vanus know it. */
import { CommandFailure } from "./command-failure.ts";

/** The bytes [start, end) as text. Throws where a position cuts a character in two. */
export function sliceBytes(bytes: Buffer, start: number, end: number): string {
  for (const position of [start, end]) {
    if (position > 0 && position < bytes.length && isInsideCharacter(bytes, position)) {
      throw new CommandFailure(`byte ${position} is inside a character; positions count bytes`);
    }
  }
  return bytes.toString("utf8", start, end);
}

/** The second and later bytes of a character begin with the bits 10. */
function isInsideCharacter(bytes: Buffer, position: number): boolean {
  return ((bytes[position] ?? 0) & 0xc0) === 0x80;
}
