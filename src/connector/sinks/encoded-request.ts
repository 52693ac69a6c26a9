/** The body of one request and the headers that describe it. */
export interface EncodedRequest {
  /** Flat: name, value, name, value …; the sink adds its own to this list. */
  readonly headers: string[];
  readonly body: Buffer;
}
