/** The members of a transformer, as the reference shows them. The examples run as tests. */

export interface TransformerExample {
  readonly transformer: Readonly<Record<string, unknown>>;
  /** Attributes, and `data`; what is required and absent is filled in. */
  readonly event: Readonly<Record<string, unknown>>;
  /** The data that comes out, letter for letter. */
  readonly output: string;
}

export interface TransformerMember {
  readonly name: string;
  /** Another spelling of the same. */
  readonly alias?: string;
  readonly takes: string;
  readonly absent: string;
  readonly summary: string;
  readonly examples: readonly TransformerExample[];
}

export const transformerMembers: readonly TransformerMember[] = [
  {
    name: "define",
    takes: "an object of names and values",
    absent: "no variables",
    summary: "Names values: a text that begins with `$.` is a path, anything else a constant.",
    examples: [
      {
        transformer: {
          define: { who: "$.data.login", greeting: "Hi" },
          template: "${greeting} ${who}",
        },
        event: { data: { login: "octo" } },
        output: "Hi octo",
      },
    ],
  },
  {
    name: "pipeline",
    takes: "a list of commands",
    absent: "no commands",
    summary: "Changes the event command by command, before the template is filled in.",
    examples: [
      {
        transformer: { pipeline: [{ command: ["upper_case", "$.data.a"] }] },
        event: { data: { a: "x" } },
        output: '{"a":"X"}',
      },
    ],
  },
  {
    name: "template",
    takes: "a string, or a JSON object or array",
    absent: "the data stays as the commands leave it",
    summary:
      "Makes the new data; `${name}` inserts a variable, `${$.data.x}` a value of the event.",
    examples: [
      {
        transformer: { template: { n: "${$.data.n}", text: "n is ${$.data.n}" } },
        event: { data: { n: 7 } },
        output: '{"n":7,"text":"n is 7"}',
      },
      {
        transformer: { template: "a literal $${ and ${$.type}" },
        event: { type: "order.placed" },
        output: "a literal ${ and order.placed",
      },
    ],
  },
  {
    name: "templateType",
    alias: "template_type",
    takes: '`"json"`, `"text"` or `"none"`',
    absent: 'a text that begins with `{`, `[` or `"` is JSON, any other plain text',
    summary: "Says what a template text is; `none` leaves the template unused.",
    examples: [
      {
        transformer: { template: "[${$.data.a}]", templateType: "text" },
        event: { data: { a: "x" } },
        output: "[x]",
      },
    ],
  },
  {
    name: "onMissing",
    takes: '`"null"`, `"omit"` or `"fail"`',
    absent: '`"null"`',
    summary: "Says what happens where the event has no such value.",
    examples: [
      {
        transformer: { template: { a: "${$.data.a}", b: "${$.data.b}" }, onMissing: "omit" },
        event: { data: { b: 1 } },
        output: '{"b":1}',
      },
      {
        transformer: { template: { a: "${$.data.a}", b: "${$.data.b}" } },
        event: { data: { b: 1 } },
        output: '{"a":null,"b":1}',
      },
    ],
  },
  {
    name: "syntax",
    takes: '`"dollar"` or `"angle"`',
    absent: '`"dollar"`',
    summary:
      "Says how placeholders are written: `${name}`, or `<name>` as in later versions of Vanus.",
    examples: [
      {
        transformer: { syntax: "angle", template: "\\<<$.data.who>\\>" },
        event: { data: { who: "octo" } },
        output: "<octo>",
      },
    ],
  },
];
