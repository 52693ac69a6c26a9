/** docs/reference/templates.md, written from the members of a transformer. */
import type { TransformerMember } from "../src/transform/members.ts";
import { transformerMembers } from "../src/transform/members.ts";
import { code } from "./markdown.ts";

export const templatesPagePath = "docs/reference/templates.md";

const intro = `# Members of a transformer

<!-- Written by \`npm run docs:write\` from src/transform/members.ts; edit the members, not this page. -->

[Transformers](transformers.md) tells how they work together; here is each by itself. Every example on this
page is executed by the tests.

| Member | Takes | Absent |
| --- | --- | --- |
`;

export function templatesPage(): string {
  const rows = transformerMembers.map(({ name, alias, takes, absent }) => {
    const names = alias === undefined ? code(name) : `${code(name)}, ${code(alias)}`;
    return `| ${names} | ${takes} | ${absent} |\n`;
  });
  return `${intro}${rows.join("")}\n${transformerMembers.map(section).join("\n").trimEnd()}\n`;
}

function section({ name, summary, examples }: TransformerMember): string {
  const rows = examples.map(
    ({ transformer, event, output }) =>
      `| ${code(JSON.stringify(transformer))} | ${code(JSON.stringify(event))} | ${code(output)} |`,
  );
  return [
    `## ${name}\n`,
    `${summary}\n`,
    "| Transformer | Event | Data that comes out |",
    "| --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}
