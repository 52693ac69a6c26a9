/** How CEL looks into the event: `event.type`, `event.data.items[0]`, `has(event.subject)`. */
import { attributeOf } from "../../event/event.ts";
import { missing } from "../../kernel/json.ts";
import { quote } from "../../kernel/unchecked.ts";
import { failed } from "./run.ts";
import type { CelResult, CelRun, Evaluate } from "./run.ts";
import { eventValue, JsonRef, listOf, nameType, valueOfNode } from "./value.ts";
import type { CelValue } from "./value.ts";

/** As many members are passed for one key until the document has an index. */
const MEMBER_STEPS = 16;

export function compileSelect(operand: Evaluate, key: string, position: number): Evaluate {
  return (run) => {
    const value = operand(run);
    return value === failed ? failed : select(run, { value, key, position });
  };
}

interface Selection {
  readonly value: CelValue;
  readonly key: string;
  readonly position: number;
}

export function select(run: CelRun, { value, key, position }: Selection): CelResult {
  if (!run.spend(MEMBER_STEPS, position)) return failed;
  const found = lookUp(run, value, key);
  if (found !== undefined) return chargeText(run, found, position);
  const isMap = value === eventValue || (value instanceof JsonRef && listOf(value) === undefined);
  const message = isMap
    ? `no such key: ${quote(key)}`
    : `${nameType(value)} has no members such as ${quote(key)}`;
  return run.fail(position, message);
}

function chargeText(run: CelRun, value: CelValue, position: number): CelResult {
  return typeof value !== "string" || run.spend(value.length, position) ? value : failed;
}

/** The value of a key; undefined when there is none. */
export function lookUp(run: CelRun, value: CelValue, key: string): CelValue | undefined {
  if (value === eventValue) return ofEvent(run, key);
  if (!(value instanceof JsonRef)) return undefined;
  const node = value.document.member(value.node, key);
  return node === missing ? undefined : valueOfNode(value.document, node);
}

/** The data as its JSON value; as text where it is no JSON; without data the key is missing. */
function ofEvent(run: CelRun, key: string): CelValue | undefined {
  const { view } = run;
  if (key === "data") {
    const document = view.dataDocument();
    return document === undefined ? view.dataText() : valueOfNode(document, document.root);
  }
  const value = attributeOf(view.event, key);
  return typeof value === "number" ? BigInt(value) : value;
}

/** `map["key"]` and `list[0]`. */
export function compileIndex(operand: Evaluate, index: Evaluate, position: number): Evaluate {
  return (run) => {
    const value = operand(run);
    if (value === failed) return failed;
    const key = index(run);
    if (key === failed) return failed;
    if (typeof key === "string") return select(run, { value, key, position });
    const list = listOf(value);
    if (list === undefined || typeof key !== "bigint") {
      return run.fail(position, `${nameType(value)} has no element at ${nameType(key)}`);
    }
    if (!run.spend(MEMBER_STEPS, position)) return failed;
    if (key >= 0n && key < BigInt(list.size)) {
      return chargeText(run, list.at(Number(key)), position);
    }
    return run.fail(position, `the list has ${list.size} elements and none at ${key}`);
  };
}
