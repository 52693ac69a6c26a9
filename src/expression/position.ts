/** What is wrong with a text that a user wrote, and where. */
export interface TextFailure {
  /** UTF-16 position of the first wrong character. */
  readonly position: number;
  /** What is wrong and the way out, without the position. */
  readonly message: string;
}

/** "line 2, column 14", both counted from 1, as editors do. */
export function describePosition(text: string, position: number): string {
  const before = text.slice(0, position);
  const lineStart = before.lastIndexOf("\n") + 1;
  const line = before.split("\n").length;
  return `line ${line}, column ${position - lineStart + 1}`;
}
