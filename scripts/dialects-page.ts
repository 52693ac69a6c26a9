/** docs/reference/dialects.md, written from the dialects themselves. */
import type { Dialect } from "../src/filter/dialect.ts";
import { dialects } from "../src/filter/dialects.ts";
import { code } from "./markdown.ts";

export const dialectsPagePath = "docs/reference/dialects.md";

const intro = `# Dialects of filters

<!-- Written by \`npm run docs:write\` from src/filter/dialects/; edit the dialects, not this page. -->

Each filter is an object with one member, its dialect. [Filters](filters.md) tells how they work together;
here is each by itself. Every example on this page is executed by the tests.

`;

export function dialectsPage(): string {
  return `${intro}${dialects.map(section).join("\n").trimEnd()}\n`;
}

function section({ name, summary, config, examples }: Dialect): string {
  const rows = examples.map(({ spec, event, passes }) => {
    const filter = code(JSON.stringify({ [name]: spec }));
    return `| ${filter} | ${code(JSON.stringify(event))} | ${passes ? "passes" : "does not pass"} |`;
  });
  return [
    `## ${name}\n`,
    `${summary} ${config.doc}\n`,
    "| Filter | Event | |",
    "| --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}
