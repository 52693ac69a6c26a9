/** docs/reference/commands.md, written from the commands themselves. */
import type { Command, CommandExample } from "../src/expression/functions/command.ts";
import { commands, usageOf } from "../src/expression/functions/commands.ts";
import { code } from "./markdown.ts";

export const commandsPagePath = "docs/reference/commands.md";

const intro = `# Commands

<!-- Written by \`npm run docs:write\` from src/expression/functions/; edit the commands, not this page. -->

The commands of a transformer's \`pipeline\` change an event one after the other, before its template is
filled in. Each is a list of a name and arguments:

\`\`\`
"pipeline": [{ "command": ["create", "$.data.full", "\${name}"] }, { "command": ["delete", "$.data.a"] }]
\`\`\`

Names ignore capitals. An argument is a **place** (\`$.data.list[0].name\`, \`$.attribute\`), a **value** (any
JSON; a text that is a path stands for what it finds, one that is \`\${name}\` for a variable of \`define\`), a
**constant** (the same for every event) or a command as a list. Variables hold what the event was before
the first command. \`$\${\` at the beginning of a text is a literal \`\${\`.

A command that cannot do its work fails the transformer: the event is dead-lettered with the number of
the command and its reason. Positions count bytes of UTF-8. Numbers keep their digits unless a command
calculates with them. Attributes hold texts, \`true\`, \`false\` and 32-bit integers. What all commands of one
event may read, copy and make is bounded by \`pipelineWorkMax\` ([limits](../../spec/limits.md)).

Every example on this page is executed by the tests.
`;

const groups: readonly (readonly [Command["group"], string])[] = [
  ["structure", "Structure"],
  ["math", "Numbers"],
  ["date", "Dates"],
  ["string", "Texts"],
  ["condition", "Conditions"],
  ["array", "Lists"],
  ["other", "Others"],
];

export function commandsPage(): string {
  const parts = groups.map(([group, title]) => {
    const members = commands.filter((command) => command.group === group);
    return `## ${title}\n\n${members.map(section).join("\n")}`;
  });
  return `${[intro, ...parts].join("\n").trimEnd()}\n`;
}

function section(command: Command): string {
  const { name, aliases = [], summary, parameters, examples } = command;
  const also = aliases.length === 0 ? "" : ` Also called ${aliases.map(code).join(", ")}.`;
  const rows = parameters.map(
    (one) => `| ${code(one.name)} | ${one.kind} | ${one.summary.replaceAll("|", "\\|")} |`,
  );
  return [
    `### ${name}\n`,
    `${code(usageOf(command))}\n`,
    `${summary}${also}\n`,
    "| Argument | Is a | Meaning |",
    "| --- | --- | --- |",
    ...rows,
    "",
    "| Command | Event | Becomes |",
    "| --- | --- | --- |",
    ...examples.map(exampleRow),
    "",
  ].join("\n");
}

function exampleRow({ command, data, attributes, result, failure }: CommandExample): string {
  const before = shown(data, attributes);
  const after =
    failure === undefined
      ? shown(result?.data ?? data, result?.attributes ?? attributes)
      : `fails: ${failure}`;
  return `| ${code(JSON.stringify(command))} | ${before} | ${after} |`;
}

function shown(data: unknown, attributes: CommandExample["attributes"]): string {
  const parts = Object.entries(attributes ?? {}).map(([name, value]) =>
    code(`${name}: ${JSON.stringify(value)}`),
  );
  if (data !== undefined) parts.push(code(JSON.stringify(data)));
  return parts.length === 0 ? "–" : parts.join(" ");
}
