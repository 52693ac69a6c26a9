/** docs/reference/cesql-functions.md, written from the functions themselves. */
import { cesqlFunctions, signatureOf } from "../src/expression/cesql/cesql.ts";
import type { CesqlFunction } from "../src/expression/cesql/cesql.ts";

export const cesqlPagePath = "docs/reference/cesql-functions.md";

const intro = `# Functions of CESQL

<!-- Written by \`npm run docs:write\` from src/expression/cesql/; edit the functions, not this page. -->

What an expression of the dialect [\`sql\`](filters.md#sql) can call. Names ignore capitals. An argument
is cast to the type of its parameter; a cast that cannot be made is an error. Lengths and positions count
characters (code points). A call with an error gives the value shown and makes the whole filter false.

Every example on this page is executed by the tests.

| Function | Gives | Is |
| --- | --- | --- |
`;

export function cesqlPage(): string {
  const rows = cesqlFunctions.map((each) => {
    const types = each.parameters.map(({ type }) => type ?? "any").join(", ");
    return `| \`${signatureOf(each)}\` of ${types} | ${each.returns} | ${each.summary} |\n`;
  });
  const sections = cesqlFunctions.map(section).join("\n");
  return `${intro}${rows.join("")}\n## Examples\n\n${sections.trimEnd()}\n`;
}

function section({ name, examples }: CesqlFunction): string {
  const rows = examples.map(({ call, result, error }) => {
    const value =
      typeof result === "string" ? JSON.stringify(result) : String(result).toUpperCase();
    const shown = error === undefined ? `\`${value}\`` : `\`${value}\` and the error \`${error}\``;
    return `| \`${call.replaceAll("\t", "\\t")}\` | ${shown} |`;
  });
  return [`### ${name}\n`, "| Call | Gives |", "| --- | --- |", ...rows, ""].join("\n");
}
