import type { ServerResponse } from "node:http";
import type { DeadLetter } from "../api/api.ts";
import { headerNames, mediaTypes } from "../api/routes.ts";
import type { LongAnswer, LongAnswers } from "./long-answers.ts";

const writtenTogetherBytes = 65_536;

/**
 * Dead letters as JSON lines, at the pace of the reader. Whatever keeps it from its end breaks the
 * connection off, so that nobody takes a part for the whole.
 */
export class LetterExport implements LongAnswer {
  readonly kind = "export";
  readonly response: ServerResponse;
  readonly #answers: LongAnswers;
  #onRoom: (() => void) | undefined;
  #isClosed = false;

  constructor(response: ServerResponse, answers: LongAnswers) {
    this.response = response;
    this.#answers = answers;
  }

  async pour(letters: AsyncIterable<DeadLetter>): Promise<void> {
    this.#answers.open(this);
    this.response.writeHead(200, { "content-type": mediaTypes.lines, trailer: headerNames.count });
    this.response.flushHeaders();
    let count = 0;
    let lines: string[] = [];
    let length = 0;
    for await (const letter of letters) {
      if (this.#isClosed) return;
      const line = `${JSON.stringify(letter)}\n`;
      lines.push(line);
      count += 1;
      length += line.length;
      if (length < writtenTogetherBytes) continue;
      await this.#write(lines);
      lines = [];
      length = 0;
    }
    await this.#write(lines);
    if (this.#isClosed) return;
    this.response.addTrailers({ [headerNames.count]: String(count) });
    this.response.end();
  }

  onRoom(): void {
    this.#onRoom?.();
  }

  onSweep(): void {
    // A subscription that is deleted meanwhile has no more letters: the export ends by itself.
  }

  onClosed(): void {
    this.#isClosed = true;
    this.#onRoom?.();
  }

  async #write(lines: readonly string[]): Promise<void> {
    if (this.#isClosed || lines.length === 0) return;
    this.response.write(lines.join(""));
    this.#answers.noteHeld(this);
    while (!this.#isClosed && !this.#answers.hasRoom(this)) {
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve;
      });
      this.#onRoom = undefined;
    }
  }
}
