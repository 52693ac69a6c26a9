import type { Command } from "./command.ts";
import { CommandFailure, CommandRefusal } from "./command-failure.ts";
import type { Reader, ScalarValue, Work } from "./command.ts";
import type { Value } from "./value.ts";
import { copyOf } from "./value.ts";

export const debeziumConvertToMongodbSink: Command = {
  name: "debezium_convert_to_mongodb_sink",
  group: "other",
  summary:
    "Turns a change of Debezium into the command of a MongoDB sink, by the attribute iodebeziumop.",
  parameters: [
    { name: "key", kind: "constant", summary: "a member of the filter that finds the document" },
    { name: "value", kind: "value", summary: "its value" },
    {
      name: "more",
      kind: "value",
      summary: "further keys and values",
      isOptional: true,
      isRepeated: true,
    },
  ],
  examples: [
    {
      command: ["debezium_convert_to_mongodb_sink", "id", "$.data.id"],
      attributes: { iodebeziumop: "c" },
      data: { id: 1, n: "x" },
      result: { data: { inserts: [{ id: 1, n: "x" }] } },
    },
    {
      command: ["debezium_convert_to_mongodb_sink", "id", "$.data.id"],
      attributes: { iodebeziumop: "u" },
      data: { id: 1, n: "y" },
      result: { data: { updates: [{ filter: { id: 1 }, update: { $set: { id: 1, n: "y" } } }] } },
    },
    {
      command: ["debezium_convert_to_mongodb_sink", "id", "$.data.id"],
      attributes: { iodebeziumop: "d" },
      data: { id: 1, n: "y" },
      result: { data: { deletes: [{ filter: { id: 1 } }] } },
    },
    {
      command: ["debezium_convert_to_mongodb_sink", "id", "$.data.id"],
      data: { id: 1 },
      failure: "iodebeziumop",
    },
  ],
  compile(args) {
    if (args.count % 2 !== 0) throw new CommandRefusal("keys and values come in pairs");
    const pairs: { readonly key: string; readonly value: Reader }[] = [];
    for (let index = 0; index < args.count; index += 2) {
      pairs.push({ key: args.text(index), value: args.value(index + 1) });
    }
    return (work) => {
      const operation = work.attribute("iodebeziumop");
      const row = presentRow(work);
      const filter: Value = new Map(pairs.map(({ key, value }) => [key, copyOf(value(work))]));
      work.data.set(commandFor(operation, row, filter));
    };
  },
};

function presentRow(work: Work): Value {
  const row = work.data.get();
  if (row === undefined) throw new CommandFailure("the event has no data");
  return row;
}

function commandFor(operation: ScalarValue | undefined, row: Value, filter: Value): Value {
  switch (operation) {
    case "c":
    case "r":
      return new Map([["inserts", [row]]]);
    case "u": {
      const update: Value = new Map<string, Value>([["$set", row]]);
      return new Map([
        [
          "updates",
          [
            new Map([
              ["filter", filter],
              ["update", update],
            ]),
          ],
        ],
      ]);
    }
    case "d":
      return new Map([["deletes", [new Map([["filter", filter]])]]]);
    default: {
      const found = operation === undefined ? "missing" : JSON.stringify(operation);
      throw new CommandFailure(`the attribute iodebeziumop is ${found}; expected c, r, u or d`);
    }
  }
}
