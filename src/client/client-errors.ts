import type { Problem } from "../api/api.ts";

/** The broker refused: its problem details, and the status. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** The broker could not be reached, or what answered is not a broker. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

/** One request to the broker. */
export interface RequestOptions {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly signal?: AbortSignal;
}

/** Sends a request; rejects with ClientError unless the answer is a 2xx. */
export type Ask = (options: RequestOptions) => Promise<Response>;
