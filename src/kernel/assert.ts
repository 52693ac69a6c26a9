/** A programmer's error: the process must not go on as if nothing had happened. */
export class AssertionFailed extends Error {
  override readonly name = "AssertionFailed";
}

/** States what must hold; it stays on in production, because going on would lose events. */
export function assert(condition: boolean, why: string): asserts condition {
  if (!condition) throw new AssertionFailed(why);
}

/** The default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unreachable value: ${JSON.stringify(value)}`);
}
