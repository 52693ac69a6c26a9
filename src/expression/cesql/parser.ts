/**
 * Parses CESQL 1.0 by precedence climbing. From the tightest: call, NOT, unary minus, LIKE, EXISTS,
 * IN, `* / %`, `+ -`, comparisons, and AND, OR, XOR on one level, right to left, as in the
 * published grammar. So `NOT a = b` is `(NOT a) = b`.
 */
import { limits } from "../../kernel/limits.ts";
import type { TextFailure } from "../position.ts";
import { readToken } from "./lexer.ts";
import type { Token } from "./lexer.ts";
import { refuseWord, toAttributeName, toInteger32 } from "./names.ts";
import type { BinaryOperator, CesqlNode } from "./syntax.ts";

export type CesqlParsing =
  | { readonly ok: true; readonly node: CesqlNode; readonly warnings: readonly TextFailure[] }
  | { readonly ok: false; readonly failure: TextFailure };

/** Thrown inside this file only; parseCesql turns it into a failure. */
class ParseStop extends Error {
  readonly failure: TextFailure;

  constructor(failure: TextFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

export function parseCesql(text: string): CesqlParsing {
  try {
    const parser = new Parser(text);
    const node = parser.parseWhole();
    return { ok: true, node, warnings: parser.warnings };
  } catch (error) {
    if (error instanceof ParseStop) return { ok: false, failure: error.failure };
    throw error;
  }
}

const LOGIC = 1;
const COMPARISON = 2;
const SUM = 3;
const PRODUCT = 4;
const IN = 5;
const LIKE = 6;
const MINUS = 7;
const NOT = 8;

const binaryOperators: ReadonlyMap<string, readonly [level: number, operator: BinaryOperator]> =
  new Map([
    ["AND", [LOGIC, "AND"]],
    ["OR", [LOGIC, "OR"]],
    ["XOR", [LOGIC, "XOR"]],
    ["=", [COMPARISON, "="]],
    ["!=", [COMPARISON, "!="]],
    ["<>", [COMPARISON, "!="]],
    ["<", [COMPARISON, "<"]],
    ["<=", [COMPARISON, "<="]],
    [">", [COMPARISON, ">"]],
    [">=", [COMPARISON, ">="]],
    ["+", [SUM, "+"]],
    ["-", [SUM, "-"]],
    ["*", [PRODUCT, "*"]],
    ["/", [PRODUCT, "/"]],
    ["%", [PRODUCT, "%"]],
  ]);

/** Lives for one parse: a cursor over the tokens, with one token looked at ahead. */
class Parser {
  readonly warnings: TextFailure[] = [];
  readonly #text: string;
  #token: Token;
  #previousEnd = 0;
  #nodes = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#token = this.#read(0);
  }

  parseWhole(): CesqlNode {
    if (this.#isAtEnd()) this.#stop(0, "the expression is empty");
    const node = this.#parse(LOGIC);
    if (this.#isAtEnd()) return node;
    if (this.#isSign(")")) this.#stop(this.#token.start, "this ')' closes nothing");
    return this.#stop(this.#token.start, `unexpected ${this.#shown()}; ${adviseSign(this.#token)}`);
  }

  /** An expression of operators that bind at least as tightly as `level`. */
  #parse(level: number): CesqlNode {
    this.#depth += 1;
    if (this.#depth > limits.expressionDepthMax) {
      const message = `the expression is nested more than ${limits.expressionDepthMax} deep (expressionDepthMax)`;
      this.#stop(this.#token.start, message);
    }
    let node = this.#parsePrefix();
    for (;;) {
      const next = this.#parseSuffix(node, level);
      if (next === undefined) break;
      node = next;
    }
    if (level === LOGIC) node = this.#parseLogic(node);
    this.#depth -= 1;
    return node;
  }

  #parsePrefix(): CesqlNode {
    const { start } = this.#token;
    const word = this.#keyword();
    if (word === "NOT") {
      this.#advance();
      const operand = this.#parse(NOT);
      if (this.#isComparison()) {
        const message =
          "NOT binds tighter than the comparison behind it, so NOT a = b is (NOT a) = b; write NOT (a = b) to turn the comparison around";
        this.warnings.push({ position: start, message });
      }
      return this.#count({ kind: "unary", operator: "NOT", operand, ...this.#from(start) });
    }
    if (this.#token.text === "-" && this.#token.kind === "sign" && !this.#isSignedInteger()) {
      this.#advance();
      const operand = this.#parse(MINUS);
      return this.#count({ kind: "unary", operator: "-", operand, ...this.#from(start) });
    }
    return this.#parsePrimary(word);
  }

  #parsePrimary(word: string): CesqlNode {
    const { kind, text, start } = this.#token;
    if (kind === "integer" || (kind === "sign" && this.#isSignedInteger())) {
      return this.#parseInteger();
    }
    if (kind === "string") {
      this.#advance();
      return this.#count({ kind: "literal", value: text, ...this.#from(start) });
    }
    if (kind === "sign" && text === "(") {
      this.#advance();
      const node = this.#parse(LOGIC);
      this.#expect(")");
      return { ...node, ...this.#from(start) };
    }
    if (word === "TRUE" || word === "FALSE") {
      this.#advance();
      return this.#count({ kind: "literal", value: word === "TRUE", ...this.#from(start) });
    }
    if (word === "EXISTS") {
      this.#advance();
      const name = this.#attributeName();
      return this.#count({ kind: "exists", name, ...this.#from(start) });
    }
    if (kind === "word") return this.#parseName();
    const found = kind === "end" ? "end of the text" : this.#shown();
    return this.#stop(start, `unexpected ${found}; expected a value, an attribute or a function`);
  }

  /** A sign stands for the number only if it touches it: `-2147483648` is one literal. */
  #isSignedInteger(): boolean {
    const { kind, text, end } = this.#token;
    if (kind !== "sign" || (text !== "-" && text !== "+")) return false;
    const code = this.#text.charCodeAt(end);
    if (!(code >= 0x30 && code <= 0x39)) return false;
    return this.#read(end).kind === "integer";
  }

  #parseInteger(): CesqlNode {
    const { start } = this.#token;
    const sign = this.#token.kind === "sign" ? this.#token.text : "";
    if (sign !== "") this.#advance();
    const value = toInteger32(sign + this.#token.text);
    if (value === undefined) {
      const message = "an integer is between -2147483648 and 2147483647";
      return this.#stop(start, `${this.#shown()} is too large; ${message}`);
    }
    this.#advance();
    return this.#count({ kind: "literal", value, ...this.#from(start) });
  }

  #parseName(): CesqlNode {
    const { start, text, end } = this.#token;
    const next = this.#read(end);
    const isCall = next.kind === "sign" && next.text === "(";
    if (isCall && /^[A-Za-z][A-Za-z_]*$/.test(text)) {
      this.#advance();
      return this.#parseCall(text.toUpperCase(), start);
    }
    const name = this.#attributeName();
    return this.#count({ kind: "attribute", name, ...this.#from(start) });
  }

  #attributeName(): string {
    const { kind, text, start } = this.#token;
    if (kind !== "word" && kind !== "integer") {
      const found = kind === "end" ? "end of the text" : this.#shown();
      return this.#stop(start, `unexpected ${found}; expected an attribute's name`);
    }
    const name = toAttributeName(text);
    if (name === undefined || kind === "integer") return this.#stop(start, refuseWord(text));
    this.#advance();
    return name;
  }

  #parseCall(name: string, start: number): CesqlNode {
    this.#expect("(");
    const args: CesqlNode[] = [];
    if (!this.#isSign(")")) {
      args.push(this.#parse(LOGIC));
      while (this.#isSign(",")) {
        this.#advance();
        args.push(this.#parse(LOGIC));
      }
    }
    this.#expect(")");
    return this.#count({ kind: "call", name, args, ...this.#from(start) });
  }

  /** What follows an operand and binds at least as tightly as `level`; AND, OR, XOR apart. */
  #parseSuffix(left: CesqlNode, level: number): CesqlNode | undefined {
    const word = this.#keyword();
    if (word === "LIKE" || word === "IN") return this.#parseMembership(left, level, word);
    if (word === "NOT") {
      const next = this.#read(this.#token.end);
      const nextWord = next.kind === "word" ? next.text.toUpperCase() : "";
      if (nextWord === "LIKE" || nextWord === "IN") {
        return this.#parseMembership(left, level, nextWord);
      }
      return this.#stop(next.start, "expected LIKE or IN behind NOT");
    }
    const found = this.#token.kind === "sign" ? binaryOperators.get(this.#token.text) : undefined;
    if (found === undefined || found[0] < level) return undefined;
    this.#advance();
    if (this.#isSign("=") && this.#previousIs("=")) {
      this.#stop(this.#token.start, "unexpected '='; CESQL compares with one =");
    }
    const right = this.#parse(found[0] + 1);
    const range = { start: left.start, end: right.end };
    return this.#count({ kind: "binary", operator: found[1], left, right, ...range });
  }

  #parseMembership(operand: CesqlNode, level: number, word: "LIKE" | "IN"): CesqlNode | undefined {
    if ((word === "LIKE" ? LIKE : IN) < level) return undefined;
    const isNegated = this.#keyword() === "NOT";
    if (isNegated) this.#advance();
    this.#advance();
    const { start } = operand;
    if (word === "LIKE") {
      const { kind, text: pattern } = this.#token;
      if (kind !== "string") {
        this.#stop(this.#token.start, "LIKE takes a text in quotes, as in LIKE 'com.example.%'");
      }
      this.#advance();
      return this.#count({ kind: "like", isNegated, operand, pattern, ...this.#from(start) });
    }
    this.#expect("(");
    if (this.#isSign(")")) this.#stop(this.#token.start, "IN needs at least one value");
    const elements = [this.#parse(LOGIC)];
    while (this.#isSign(",")) {
      this.#advance();
      elements.push(this.#parse(LOGIC));
    }
    this.#expect(")");
    return this.#count({ kind: "in", isNegated, operand, elements, ...this.#from(start) });
  }

  /** A chain is read in a loop and folded from the right, so that its length costs no stack. */
  #parseLogic(first: CesqlNode): CesqlNode {
    const operands = [first];
    const operators: BinaryOperator[] = [];
    for (;;) {
      const found = binaryOperators.get(this.#keyword());
      if (found === undefined) break;
      const { start } = this.#token;
      this.#advance();
      if (operators.length > 0 && !operators.includes(found[1])) this.#warnOfMix(start);
      operators.push(found[1]);
      operands.push(this.#parse(COMPARISON));
    }
    let node = operands.pop() ?? first;
    for (const operator of operators.toReversed()) {
      const left = operands.pop() ?? first;
      const range = { start: left.start, end: node.end };
      node = this.#count({ kind: "binary", operator, left, right: node, ...range });
    }
    return node;
  }

  #warnOfMix(position: number): void {
    const message =
      "AND, OR and XOR bind equally and from the right: a OR b AND c is a OR (b AND c), a AND b OR c is a AND (b OR c); parentheses say what is meant";
    this.warnings.push({ position, message });
  }

  #isComparison(): boolean {
    const { kind, text } = this.#token;
    const word = this.#keyword();
    if (word === "LIKE" || word === "IN" || word === "NOT") return true;
    return kind === "sign" && binaryOperators.get(text)?.[0] === COMPARISON;
  }

  /** The word at the cursor in capitals, "" for anything else. */
  #keyword(): string {
    return this.#token.kind === "word" ? this.#token.text.toUpperCase() : "";
  }

  #isAtEnd(): boolean {
    return this.#token.kind === "end";
  }

  #isSign(text: string): boolean {
    return this.#token.kind === "sign" && this.#token.text === text;
  }

  #previousIs(text: string): boolean {
    return this.#text.slice(this.#previousEnd - text.length, this.#previousEnd) === text;
  }

  #expect(sign: string): void {
    if (this.#isSign(sign)) {
      this.#advance();
      return;
    }
    const found = this.#token.kind === "end" ? "end of the text" : this.#shown();
    const hint = sign === ")" ? `; ${adviseSign(this.#token)}` : "";
    this.#stop(this.#token.start, `unexpected ${found}; expected '${sign}'${hint}`);
  }

  #advance(): void {
    this.#previousEnd = this.#token.end;
    this.#token = this.#read(this.#token.end);
  }

  #read(position: number): Token {
    const reading = readToken(this.#text, position);
    if (!reading.ok) throw new ParseStop(reading.failure);
    return reading.token;
  }

  #from(start: number): { readonly start: number; readonly end: number } {
    return { start, end: this.#previousEnd };
  }

  #count(node: CesqlNode): CesqlNode {
    this.#nodes += 1;
    if (this.#nodes > limits.expressionNodesMax) {
      const message = `the expression has more than ${limits.expressionNodesMax} parts (expressionNodesMax)`;
      this.#stop(node.start, message);
    }
    return node;
  }

  #shown(): string {
    const { start, end } = this.#token;
    const text = this.#text.slice(start, Math.min(end, start + 64));
    return `'${text}${end - start > 64 ? "…" : ""}'`;
  }

  #stop(position: number, message: string): never {
    throw new ParseStop({ position, message });
  }
}

function adviseSign({ kind, text }: Token): string {
  if (kind === "sign" && text === "=") return "CESQL compares with one =";
  if (kind === "sign") return "expected an operator or the end of the expression";
  return "expected an operator such as =, <, LIKE, IN, AND, OR";
}
