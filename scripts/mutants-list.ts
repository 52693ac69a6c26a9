/** One edit of source text; the text to replace must be there exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A mistake that somebody could make, and the promise that it breaks. */
export interface Mutant {
  readonly name: string;
  readonly breaks: string;
  readonly edits: readonly Edit[];
}

const writer = "src/engine/embedded/log-writer.ts";
const recovery = "src/engine/embedded/log-recovery.ts";
const segments = "src/engine/embedded/segments.ts";
const committer = "src/delivery/committer.ts";
const lanes = "src/delivery/key-lanes.ts";

export const mutants: readonly Mutant[] = [
  {
    name: "acknowledge before the sync",
    breaks: "P1",
    edits: [
      {
        file: writer,
        find: "else if (this.#syncs === undefined) file.dataSync(this.#onSynced);",
        replace:
          "else if (this.#syncs === undefined) { file.dataSync(() => undefined); this.#onSynced(undefined); }",
      },
    ],
  },
  {
    name: "expose records before the sync",
    breaks: "P1",
    edits: [
      {
        file: writer,
        find: "else if (this.#syncs === undefined) file.dataSync(this.#onSynced);",
        replace:
          "else if (this.#syncs === undefined) { const { active } = this.#options.segments; const next = active.next + group.records; " +
          "if (group.records > 0) { this.#publish(group, active.next); " +
          "for (const listener of this.#listeners) { const kept = active.next; active.next = next; " +
          "listener(next); active.next = kept; } } file.dataSync(this.#onSynced); }",
      },
    ],
  },
  {
    name: "take a failed sync for a good one",
    breaks: "P1",
    edits: [
      {
        file: writer,
        find: 'if (failure !== undefined) this.#fail(group, failure, "outcome_unknown");',
        replace: 'if (failure?.message === "never") this.#fail(group, failure, "outcome_unknown");',
      },
    ],
  },
  {
    name: "retry the failed sync on the same file",
    breaks: "P1",
    edits: [
      {
        file: writer,
        find: 'if (failure !== undefined) this.#fail(group, failure, "outcome_unknown");',
        replace: "if (failure !== undefined) this.#inFlight().file.dataSync(this.#onSynced);",
      },
    ],
  },
  {
    name: "call a failed sync refused, although the group may be there",
    breaks: "P1",
    edits: [
      {
        file: writer,
        find: 'if (failure !== undefined) this.#fail(group, failure, "outcome_unknown");',
        replace: 'if (failure !== undefined) this.#fail(group, failure, "storage_unavailable");',
      },
    ],
  },
  {
    name: "give an offset twice, now and then",
    breaks: "P1",
    edits: [
      {
        file: writer,
        find: "    active.next = next;\n",
        replace: "    active.next = this.#commits % 7 === 6 ? Math.max(first, next - 1) : next;\n",
      },
    ],
  },
  {
    name: "delete trimmed segments without a directory sync between them",
    breaks: "P1",
    edits: [
      {
        file: "src/engine/embedded/log.ts",
        find: ".catch(unlessMissing);\n        await disk.syncDirectory(directory);",
        replace: ".catch(unlessMissing);\n        void directory;",
      },
    ],
  },
  {
    name: "skip the directory sync after making a segment",
    breaks: "P1",
    edits: [
      {
        file: segments,
        find: "    await disk.syncDirectory(directory);\n    return { segment, file };",
        replace: "    return { segment, file };",
      },
    ],
  },
  {
    name: "skip the sync of a new segment's header",
    breaks: "P1",
    edits: [
      {
        file: segments,
        find: "    await syncData(file);\n    await disk.rename(temporary, segment.path);",
        replace: "    await disk.rename(temporary, segment.path);",
      },
    ],
  },
  {
    name: "ignore durableTo: cut wherever the last segment is damaged",
    breaks: "P1",
    edits: [
      {
        file: "src/engine/embedded/tail-scan.ts",
        find: 'piece.kind === "damage" && piece.from >= durableTo',
        replace: 'piece.kind === "damage" && piece.from >= 0',
      },
    ],
  },
  {
    name: "write no durableTo",
    breaks: "P1",
    edits: [
      {
        file: "src/engine/embedded/pending-group.ts",
        find: "first, durableTo, time: records === 0",
        replace: "first, durableTo: 0, time: records === 0",
      },
    ],
  },
  {
    name: "show a recovered tail before it is synced",
    breaks: "P1",
    edits: [
      {
        file: recovery,
        find: "    await makeDurable(file, buffer, scan);\n",
        replace: "    void makeDurable;\n",
      },
    ],
  },
  {
    name: "append behind a closing marker that may be in the page cache only",
    breaks: "P1",
    edits: [
      {
        file: "src/engine/embedded/segment-turn.ts",
        find: "if (lastMark === undefined) return file;",
        replace: "if (lastMark?.position !== -1) return file;",
      },
    ],
  },
  {
    name: "sync a recovered tail without writing it once more",
    breaks: "P1",
    edits: [
      {
        file: recovery,
        find: "await writeWhole(file, { buffer, start, end: Math.max(start, end), position: start });",
        replace: "void [buffer, start, end];",
      },
    ],
  },
  {
    name: "skip the checksum of records",
    breaks: "P1",
    edits: [
      {
        file: "src/engine/embedded/log-format.ts",
        find: "return crc32(buffer.subarray(at + 4, end), identity) === buffer.readUInt32LE(at);",
        replace: "return end <= buffer.length && identity >= 0;",
      },
    ],
  },
  {
    name: "delete a segment before the state about it is committed",
    breaks: "P2",
    edits: [
      {
        file: "src/delivery/retention.ts",
        find: "  await rescue(options, offsets);\n  await committer.flush();",
        replace:
          "  void rescue(options, offsets).then(() => committer.flush()).catch(() => undefined);",
      },
    ],
  },
  {
    name: "forget the events of dead letters when a segment goes",
    breaks: "P2",
    edits: [
      {
        file: "src/delivery/retention.ts",
        find: "names.add(offset);\n  const offsets",
        replace: "void offset;\n  const offsets",
      },
    ],
  },
  {
    name: "forget rescued records that are still named",
    breaks: "P2",
    edits: [
      {
        file: "src/engine/embedded/rescue-keeper.ts",
        find: "if (unsettled.has(offset) || this.#isNamed(offset)) continue;",
        replace: "if (unsettled.has(offset)) continue;",
      },
    ],
  },
  {
    name: "forget what was unsettled: commit the position alone",
    breaks: "P2",
    edits: [
      {
        file: "src/delivery/stored-rows.ts",
        find: "unsettled: [...consumer.open.keys()],",
        replace: "unsettled: [],",
      },
    ],
  },
  {
    name: "forget what a failed commit carried",
    breaks: "P2",
    edits: [
      {
        file: committer,
        find: "    this.#takeBack(unfinished);\n",
        replace: "    this.#commitSince = undefined;\n",
      },
    ],
  },
  {
    name: "store results late, a second after they came",
    breaks: "P2",
    edits: [
      {
        file: committer,
        find: "    this.#consumers.add(consumer);\n    this.#schedule(limits.stateCommitIntervalMs);",
        replace: "    this.#consumers.add(consumer);\n    this.#schedule(5000);",
      },
    ],
  },
  {
    name: "count what was delivered a second time after a restart",
    breaks: "P2",
    edits: [
      {
        file: "src/delivery/stored-rows.ts",
        find: "  consumer.readNext = row.position;",
        replace:
          "  consumer.readNext = row.position;\n  if (row.counters.delivered > 5) consumer.counts.delivered += 1;",
      },
    ],
  },
  {
    name: "let any event of a key go as it comes",
    breaks: "P5",
    edits: [
      {
        file: lanes,
        find: "      insert(lane, delivery);\n      return this.#choose(lane);",
        replace: "      insert(lane, delivery);\n      return delivery;",
      },
      {
        file: lanes,
        find: "return this.#lanes.get(delivery.key)?.chosen === delivery;",
        replace: "return this.#lanes.has(delivery.key);",
      },
    ],
  },
  {
    name: "send the next of a key before the end of the last one is durable",
    breaks: "P5",
    edits: [
      {
        file: "src/delivery/consumer.ts",
        find: "else lanes.leaveWhenStored(delivery);",
        replace: "else leaveLane(this, lanes, delivery);",
      },
    ],
  },
  {
    name: "forget after a restart what waits behind a failed one of its key",
    breaks: "P2",
    edits: [
      {
        file: "src/delivery/key-order.ts",
        find: "heldFacts(delivery.appendedAt ?? 0);\n  consumer.changedRetries.add(delivery.offset);",
        replace: "heldFacts(delivery.appendedAt ?? 0);",
      },
    ],
  },
  {
    name: "never send again what an opening circuit has taken back",
    breaks: "P2",
    edits: [
      {
        file: "src/delivery/take-back.ts",
        find: "if (consumer.lanes === undefined) consumer.lines.refer(delivery);",
        replace: "if (consumer.lanes === undefined) void consumer.lines;",
      },
    ],
  },
  {
    name: "keep the letters of what an opening circuit has taken back",
    breaks: "P2",
    edits: [
      {
        file: "src/delivery/circuit-keeper.ts",
        find: "committer.withdrawLetter({ subscription: consumer.plan.id, letter });",
        replace: "void [committer, letter];",
      },
    ],
  },
  {
    name: "keep the parked row of what was settled",
    breaks: "P2",
    edits: [
      {
        file: committer,
        find: "if (retry === undefined) unparked.push({ subscription: consumer.plan.id, offset });",
        replace: "if (retry === undefined) void unparked;",
      },
    ],
  },
  {
    name: "let a consumer that hangs hold up all others",
    breaks: "P3",
    edits: [
      {
        file: "src/delivery/dispatcher.ts",
        find: "if (this.#isDraining || this.#isStopped || this.#isTurnScheduled) return;",
        replace:
          "if (this.#isDraining || this.#isStopped || this.#isTurnScheduled || this.#inFlight >= 6) return;",
      },
    ],
  },
];
