/**
 * Fixtures of `millrace test`: a file holds one of these or a list of them (docs/fixtures.md).
 *
 * {"name": …, "subscription": {…}, "event": {…}, "expect": {"passed": …, "transformed": {…}, "body": …}}
 */
import { isDeepStrictEqual } from "node:util";
import type { PlaygroundResult } from "../api/api.ts";
import type { Playground } from "../broker/broker.ts";
import { BrokerError } from "../kernel/errors.ts";
import { readJson } from "../kernel/json.ts";
import { isObject, nameKind } from "../kernel/unchecked.ts";
import { UsageError } from "./command.ts";

export interface FixtureReport {
  readonly file: string;
  readonly name: string;
  /** What did not come out as expected; empty when the fixture holds. */
  readonly failures: readonly string[];
}

interface FixtureFile {
  readonly file: string;
  readonly text: string;
  readonly playground: Playground;
}

/** Runs the fixtures of one file. Rejects with a UsageError for a file that holds none. */
export async function runFixtures(source: FixtureFile): Promise<readonly FixtureReport[]> {
  const texts = fixtureTexts(source);
  const reports: FixtureReport[] = [];
  for (const [index, text] of texts.entries()) {
    reports.push(await runFixture(source, { text, index }));
  }
  return reports;
}

/** Cut out of the text: events and templates keep the digits of their numbers. */
function fixtureTexts({ file, text }: FixtureFile): readonly string[] {
  const reading = readJson(text);
  if (!reading.ok) throw new UsageError(`${file}: ${reading.failure.message}`);
  const { document } = reading;
  if (document.kind(document.root) !== "array") return [document.raw(document.root)];
  const texts: string[] = [];
  document.eachElement(document.root, (node) => texts.push(document.raw(node)));
  if (texts.length === 0) throw new UsageError(`${file}: the list holds no fixture`);
  return texts;
}

const members = ["name", "subscription", "event", "events", "expect"];
const expectations = ["passed", "transformed", "data", "body", "error"];

async function runFixture(
  { file, playground }: FixtureFile,
  { text, index }: { readonly text: string; readonly index: number },
): Promise<FixtureReport> {
  const where = `${file}: fixture ${index + 1}`;
  const fixture: unknown = JSON.parse(text);
  if (!isObject(fixture)) throw new UsageError(`${where} is ${nameKind(fixture)}, not an object`);
  refuseOthers(fixture, members, where);
  if (fixture["subscription"] !== undefined && !isObject(fixture["subscription"])) {
    throw new UsageError(`${where}: subscription is ${nameKind(fixture["subscription"])}`);
  }
  const name = typeof fixture["name"] === "string" ? fixture["name"] : `fixture ${index + 1}`;
  const eventTexts = eventsOf(text, where);
  const expected = expectationsOf(fixture["expect"], { where, count: eventTexts.length });
  const subscription = subscriptionOf(text);
  const comma = /^\{\s*\}$/.test(subscription) ? "" : ",";
  const request = `{"events":[${eventTexts.join(",")}]${comma}${subscription.slice(1)}`;
  const results = await runPlayground(playground, request);
  if (!Array.isArray(results)) return { file, name, failures: describeRefusal(results) };
  const failures = results.flatMap((result, at) => {
    const label = results.length === 1 ? "" : `event ${at + 1}: `;
    return compare(result, expected[at] ?? {}).map((failure) => `${label}${failure}`);
  });
  return { file, name, failures };
}

/** A subscription that would be refused is a fixture that does not hold: the others run all the same. */
async function runPlayground(
  playground: Playground,
  request: string,
): Promise<PlaygroundResult[] | BrokerError> {
  try {
    return [...(await playground.run(request)).results];
  } catch (error) {
    if (error instanceof BrokerError) return error;
    throw error;
  }
}

function describeRefusal({ message, violations }: BrokerError): readonly string[] {
  if (violations.length === 0) return [message];
  return violations.map((each) => `refused: ${each.path}: ${each.message}`);
}

function refuseOthers(
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
  where: string,
): void {
  const other = Object.keys(given).find((key) => !known.includes(key));
  if (other === undefined) return;
  throw new UsageError(`${where}: there is no member '${other}'; known: ${known.join(", ")}`);
}

function subscriptionOf(text: string): string {
  const reading = readJson(text);
  if (!reading.ok) return "{}";
  const { document } = reading;
  const node = document.member(document.root, "subscription");
  return node < 0 ? "{}" : document.raw(node);
}

function eventsOf(text: string, where: string): readonly string[] {
  const reading = readJson(text);
  if (!reading.ok) throw new UsageError(`${where}: ${reading.failure.message}`);
  const { document } = reading;
  const single = document.member(document.root, "event");
  const list = document.member(document.root, "events");
  if (single >= 0 && list < 0) return [document.raw(single)];
  const texts: string[] = [];
  if (list >= 0 && single < 0) document.eachElement(list, (node) => texts.push(document.raw(node)));
  if (texts.length > 0) return texts;
  throw new UsageError(`${where}: needs an event, or a list of events`);
}

type Expectation = Readonly<Record<string, unknown>>;

/** One for all events, or a list with one for each. */
function expectationsOf(
  expect: unknown,
  { where, count }: { readonly where: string; readonly count: number },
): readonly Expectation[] {
  const list: readonly unknown[] = Array.isArray(expect)
    ? expect
    : Array.from({ length: count }, () => expect);
  if (list.length !== count) {
    throw new UsageError(`${where}: ${list.length} expectations for ${count} events`);
  }
  return list.map((one) => {
    if (!isObject(one) || Object.keys(one).length === 0) {
      throw new UsageError(`${where}: expect says what must come out: ${expectations.join(", ")}`);
    }
    refuseOthers(one, expectations, where);
    return one;
  });
}

function compare(result: PlaygroundResult, expected: Expectation): readonly string[] {
  const failures: string[] = [];
  const check = (name: string, found: unknown): void => {
    if (!Object.hasOwn(expected, name) || isDeepStrictEqual(found, expected[name])) return;
    failures.push(`${name} is ${shown(found)}, expected ${shown(expected[name])}`);
  };
  check("passed", result.passed);
  const transformed = isObject(result.transformed) ? result.transformed : undefined;
  check("transformed", result.transformed);
  check("data", transformed?.["data"] ?? null);
  check("body", result.request?.body ?? null);
  const error = result.errors.map(({ path, message }) => `${path}: ${message}`).join("; ");
  const wanted = expected["error"];
  if (typeof wanted === "string" && !error.includes(wanted)) {
    failures.push(`error is ${shown(error)}, expected one with ${shown(wanted)}`);
  }
  if (wanted === undefined && error !== "") failures.push(`error: ${error}`);
  if (expected["passed"] === true && !result.passed) {
    const missed = result.clauses.filter(({ passed }) => !passed);
    for (const { path, reason } of missed) failures.push(`  ${path}: ${reason}`);
  }
  return failures;
}

const SHOWN_LENGTH_MAX = 500;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
}
