/** The door to the commands of the pipeline: a new one is a file and a line in this list. */
import type { Command } from "./command.ts";
import { addPrefix } from "./add-prefix.ts";
import { addSuffix } from "./add-suffix.ts";
import { arrayForeach } from "./array-foreach.ts";
import { capitalizeSentence } from "./capitalize-sentence.ts";
import { capitalizeWord } from "./capitalize-word.ts";
import { checkCustomValues } from "./check-custom-values.ts";
import { conditionIf } from "./condition-if.ts";
import { convertTimezone } from "./convert-timezone.ts";
import { create } from "./create.ts";
import { dateFormat } from "./date-format.ts";
import { debeziumConvertToMongodbSink } from "./debezium-convert-to-mongodb-sink.ts";
import { deleteCommand } from "./delete.ts";
import { duplicate } from "./duplicate.ts";
import { extractBetweenDelimiters } from "./extract-between-delimiters.ts";
import { extractBetweenPositions } from "./extract-between-positions.ts";
import { extractMissingAction } from "./extract-missing-action.ts";
import { join } from "./join.ts";
import { lengthCommand } from "./length.ts";
import { lowerCase } from "./lower-case.ts";
import { mathAdd } from "./math-add.ts";
import { mathDiv } from "./math-div.ts";
import { mathMul } from "./math-mul.ts";
import { mathSub } from "./math-sub.ts";
import { move } from "./move.ts";
import { rename } from "./rename.ts";
import { renderArray } from "./render-array.ts";
import { replace } from "./replace.ts";
import { replaceBetweenDelimiters } from "./replace-between-delimiters.ts";
import { replaceBetweenPositions } from "./replace-between-positions.ts";
import { replaceString } from "./replace-string.ts";
import { replaceWithRegex } from "./replace-with-regex.ts";
import { splitBetweenPositions } from "./split-between-positions.ts";
import { splitFromStart } from "./split-from-start.ts";
import { splitWithDelimiter } from "./split-with-delimiter.ts";
import { splitWithIntervals } from "./split-with-intervals.ts";
import { unfoldArray } from "./unfold-array.ts";
import { unixTimeFormat } from "./unix-time-format.ts";
import { upperCase } from "./upper-case.ts";

export { readArguments, usageOf } from "./argument-list.ts";
export type { VariableSyntax } from "./argument-list.ts";
export { CommandFailure, CommandRefusal } from "./command-failure.ts";
export type { Action, Command, CommandExample, ScalarValue, Slot, Work } from "./command.ts";
export { constantValue, jsonOf, valueOf } from "./value.ts";
export type { Value } from "./value.ts";

export const commands: readonly Command[] = [
  create,
  deleteCommand,
  replace,
  move,
  rename,
  duplicate,
  mathAdd,
  mathSub,
  mathMul,
  mathDiv,
  dateFormat,
  unixTimeFormat,
  convertTimezone,
  join,
  upperCase,
  lowerCase,
  addPrefix,
  addSuffix,
  replaceWithRegex,
  replaceString,
  replaceBetweenPositions,
  replaceBetweenDelimiters,
  capitalizeSentence,
  capitalizeWord,
  checkCustomValues,
  splitWithDelimiter,
  splitWithIntervals,
  splitBetweenPositions,
  splitFromStart,
  extractBetweenDelimiters,
  extractBetweenPositions,
  extractMissingAction,
  conditionIf,
  renderArray,
  arrayForeach,
  unfoldArray,
  lengthCommand,
  debeziumConvertToMongodbSink,
];

const byName: ReadonlyMap<string, Command> = new Map(
  commands.flatMap((command) =>
    [command.name, ...(command.aliases ?? [])].map((name) => [name, command] as const),
  ),
);

/** Names ignore capitals. */
export function findCommand(name: string): Command | undefined {
  return byName.get(name.toLowerCase());
}
