/** What a stream of a bus says, and the reader of its wire format (Server-Sent Events). */
export type StreamItem =
  | { readonly kind: "event"; readonly offset: number; readonly text: string }
  /** Offsets that hold no event any more, inclusive: `3-9`. */
  | { readonly kind: "gap"; readonly range: string }
  /** Nothing to tell but how far the broker has looked. */
  | { readonly kind: "reached" };

export interface StreamPiece {
  readonly item: StreamItem;
  /** The id to go on after, when the piece carries one. */
  readonly id: number | undefined;
}

/** Turns the text of a stream into its pieces, wherever the text was cut on its way. */
export class StreamParser {
  #rest = "";

  *take(text: string): Generator<StreamPiece> {
    const blocks = (this.#rest + text).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const piece = readBlock(block);
      if (piece !== undefined) yield piece;
    }
  }
}

function readBlock(block: string): StreamPiece | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    // A line that begins with a colon is a comment.
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ""));
  }
  const idText = fields.get("id");
  const id = idText === undefined ? undefined : Number(idText);
  const data = fields.get("data");
  if (data === undefined) return id === undefined ? undefined : { item: { kind: "reached" }, id };
  if (fields.get("event") === "gap") return { item: { kind: "gap", range: data }, id };
  return { item: { kind: "event", offset: id ?? 0, text: data }, id };
}
