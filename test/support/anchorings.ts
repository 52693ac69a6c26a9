import type { CompiledFilter } from "../../src/filter/filter.ts";

const signs = { exact: "=", prefix: "^", suffix: "$" };

/** What the index may go by, written short: `type=a,b or source^/s`. */
export function anchoringsOf({ anchorings }: CompiledFilter): readonly string[] {
  return anchorings.map((anchoring) =>
    anchoring
      .map(({ attribute, kind, values }) => `${attribute}${signs[kind]}${values.join()}`)
      .join(" or "),
  );
}
