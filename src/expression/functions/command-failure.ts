/** Why a command could not do its work on this event; the delivery is dead-lettered with it. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
}

/** Why a command can never do its work; the subscription is refused. */
export class CommandRefusal extends Error {
  override readonly name = "CommandRefusal";
  /** From 0; the argument that is wrong. Undefined: the command as a whole. */
  readonly argument: number | undefined;

  constructor(message: string, argument?: number) {
    super(message);
    this.argument = argument;
  }
}
