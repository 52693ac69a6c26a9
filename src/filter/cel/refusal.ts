/** Thrown while an expression is compiled, caught by cel.ts, never seen outside. */
export class CelRefusal extends Error {
  /** UTF-16 position in the expression. */
  readonly position: number;

  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}
