/** Pieces of bytes, as they come from a file or a pipe. */
export type ByteSource = AsyncIterable<Uint8Array>;

const LINE_FEED = 0x0a;

/**
 * Cuts a long text of lines into bodies of about `bytesMax` bytes, each a whole number of lines, so
 * that no request lasts for hours and each answer says how far the import has come. A body has to
 * be read to its end before the next one is asked for.
 */
export class LineBodies {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #bytesMax: number;
  #rest: Uint8Array | undefined;
  #isAtEnd = false;
  #lines = 0;

  constructor(source: ByteSource, bytesMax: number) {
    this.#source = source[Symbol.asyncIterator]();
    this.#bytesMax = bytesMax;
  }

  /** How many line breaks all bodies so far hold. */
  get lines(): number {
    return this.#lines;
  }

  /** Undefined when nothing is left. */
  async next(): Promise<AsyncGenerator<Uint8Array> | undefined> {
    const first = await this.#piece();
    return first === undefined ? undefined : this.#body(first);
  }

  async *#body(first: Uint8Array): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for (let piece: Uint8Array | undefined = first; piece !== undefined;) {
      const cut = bytes + piece.length < this.#bytesMax ? -1 : piece.indexOf(LINE_FEED);
      if (cut !== -1) {
        if (cut + 1 < piece.length) this.#rest = piece.subarray(cut + 1);
        yield this.#counted(piece.subarray(0, cut + 1));
        return;
      }
      yield this.#counted(piece);
      bytes += piece.length;
      piece = await this.#piece();
    }
  }

  #counted(piece: Uint8Array): Uint8Array {
    for (let at = piece.indexOf(LINE_FEED); at !== -1; at = piece.indexOf(LINE_FEED, at + 1)) {
      this.#lines += 1;
    }
    return piece;
  }

  async #piece(): Promise<Uint8Array | undefined> {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest !== undefined) return rest;
    while (!this.#isAtEnd) {
      const step = await this.#source.next();
      if (step.done === true) this.#isAtEnd = true;
      else if (step.value.length > 0) return step.value;
    }
    return undefined;
  }
}
