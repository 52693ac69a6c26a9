import type { CloudEvent } from "../event/event.ts";
import type { Violation } from "../kernel/errors.ts";
import { BrokerError } from "../kernel/errors.ts";
import type { Offset } from "../kernel/ids.ts";
import { limits } from "../kernel/limits.ts";
import { contentAt, identityAt, keyAt } from "./deduplication-key.ts";
import type { KeyWindow } from "./key-window.ts";

/** What is asked about: the events of one publish. */
export interface Question {
  readonly records: readonly { readonly event: CloudEvent }[];
  /** The key of record i lies at keyAt(i). */
  readonly blocks: Buffer;
  /** Then an id that comes again with other content is no reason to refuse. */
  readonly wasAccepted: boolean;
}

export interface Knowledge {
  readonly window: KeyWindow;
  readonly flights: { has(identity: string): boolean };
}

/** An event that is to be appended. */
export interface FreshEvent {
  readonly index: number;
  /** Undefined where its id belongs to another event: then its key must not be known by it. */
  readonly identity: string | undefined;
}

/** What is to be done with the events of a publish; indexes are those of its records. */
export interface Judgement {
  readonly verdict: "go";
  /** In this order. */
  readonly fresh: readonly FreshEvent[];
  /** Records of events that are on the bus already, and where. */
  readonly known: readonly { readonly index: number; readonly offset: Offset }[];
  /** Records that say the same as an earlier one of this publish. */
  readonly twins: readonly { readonly index: number; readonly of: number }[];
}

/** An event whose source and id belong to an event with other content. */
export interface ReusedId {
  readonly index: number;
  /** The offset of that event, or its index in the same publish. */
  readonly of: { readonly offset: Offset } | { readonly index: number };
}

export type Verdict =
  | Judgement
  | { readonly verdict: "wait"; readonly identity: string }
  | { readonly verdict: "reused"; readonly reused: readonly ReusedId[] };

/**
 * Decides about all events of a publish at once, for they are stored all or not at all; keys older
 * than `since` are forgotten. Pure. A refusal comes before waiting: no outcome could change it.
 */
export function judge(question: Question, knowledge: Knowledge, since: number): Verdict {
  const draft = new JudgementDraft(question, knowledge, since);
  for (let index = 0; index < question.records.length; index++) draft.look(index);
  if (draft.reused.length > 0 && !question.wasAccepted) {
    return { verdict: "reused", reused: draft.reused };
  }
  return draft.awaited === undefined ? draft : { verdict: "wait", identity: draft.awaited };
}

/** Shared by all judgements of publishes without such records, as nearly all are. */
const none: readonly never[] = [];

class JudgementDraft implements Judgement {
  readonly verdict = "go";
  readonly fresh: FreshEvent[] = [];
  known: Judgement["known"] = none;
  twins: Judgement["twins"] = none;
  reused: readonly ReusedId[] = none;
  awaited: string | undefined;
  readonly #blocks: Buffer;
  readonly #knowledge: Knowledge;
  readonly #since: number;
  /** Where each identity occurred first; needed only where there can be two. */
  readonly #seen: Map<string, number> | undefined;

  constructor({ records, blocks }: Question, knowledge: Knowledge, since: number) {
    this.#blocks = blocks;
    this.#knowledge = knowledge;
    this.#since = since;
    this.#seen = records.length > 1 ? new Map<string, number>() : undefined;
  }

  look(index: number): void {
    const at = keyAt(index);
    const known = this.#knowledge.window.find(this.#blocks, at, this.#since);
    if (known !== undefined) {
      const { offset, hasSameContent } = known;
      if (hasSameContent) this.known = added(this.known, { index, offset });
      else this.#reuse(index, { offset });
      return;
    }
    const identity = identityAt(this.#blocks, at);
    const twin = this.#seen?.get(identity);
    if (twin !== undefined) {
      this.#lookAtTwin(index, twin);
      return;
    }
    this.#seen?.set(identity, index);
    if (this.#knowledge.flights.has(identity)) this.awaited ??= identity;
    this.fresh.push({ index, identity });
  }

  #lookAtTwin(index: number, of: number): void {
    const blocks = this.#blocks;
    if (contentAt(blocks, keyAt(index)) === contentAt(blocks, keyAt(of))) {
      this.twins = added(this.twins, { index, of });
    } else {
      this.#reuse(index, { index: of });
    }
  }

  #reuse(index: number, of: ReusedId["of"]): void {
    this.reused = added(this.reused, { index, of });
    this.fresh.push({ index, identity: undefined });
  }
}

function added<Item>(list: readonly Item[], item: Item): readonly Item[] {
  if (list.length === 0) return [item];
  (list as Item[]).push(item);
  return list;
}

export function reusedError(
  records: Question["records"],
  reused: readonly ReusedId[],
): BrokerError {
  const violations: Violation[] = [];
  for (const each of reused.slice(0, limits.validationErrorsMax)) {
    const message = describeReused(records[each.index]?.event, each);
    const violation = { path: "id", code: "id_reused", message };
    violations.push(records.length === 1 ? violation : { ...violation, index: each.index });
  }
  const detail = violations[0]?.message ?? "an id was used before with other content";
  return new BrokerError("id_reused", detail, { violations });
}

const SHOWN_LENGTH_MAX = 100;

function describeReused(event: CloudEvent | undefined, { of }: ReusedId): string {
  const shown = (text = ""): string => JSON.stringify(text.slice(0, SHOWN_LENGTH_MAX));
  const where =
    "offset" in of ? `is the event at offset ${of.offset}` : `is event ${of.index} of this batch`;
  return (
    `id ${shown(event?.id)} of source ${shown(event?.source)} ${where}, which has other content: ` +
    "its attributes or data differ"
  );
}
