import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventView } from "../../src/event/event-view.ts";
import type { Violation } from "../../src/kernel/errors.ts";
import { limits } from "../../src/kernel/limits.ts";
import { compileTransformer } from "../../src/transform/compile.ts";
import type { TransformResult } from "../../src/transform/transformer.ts";
import { viewOf, viewOfBytes, viewOfData } from "../support/event-views.ts";

function transform(transformer: unknown, view: EventView): TransformResult {
  const compilation = compileTransformer(transformer);
  assert(compilation.ok, JSON.stringify(compilation));
  return compilation.transformer.transform(view);
}

/** The data after the transformer, as text. */
function output(transformer: unknown, view: EventView): string {
  const result = transform(transformer, view);
  assert(result.ok, JSON.stringify(result));
  assert(result.event.data !== undefined);
  return Buffer.from(result.event.data).toString();
}

function violationsOf(transformer: unknown): readonly Violation[] {
  const compilation = compileTransformer(transformer);
  assert(!compilation.ok, "the transformer is refused");
  return compilation.violations;
}

const star = viewOf({
  type: "com.github.star.created",
  subject: "s",
  dataschema: "https://example.com/schema",
  ext: 5,
  flag: true,
  datacontenttype: "application/json",
  data: {
    repository: { stargazers_count: 1234, name: "vanus" },
    sender: { login: "octo" },
  },
});

test("the article's example comes out letter for letter", () => {
  const transformer = {
    define: {
      star_count: "$.data.repository.stargazers_count",
      repo: "$.data.repository.name",
      sender: "$.data.sender.login",
    },
    template:
      '{"slackMsg":  "GitHub user<${sender}> just stared your repo<${repo}>. Current number of stars: ${star_count}."}',
  };
  assert.equal(
    output(transformer, star),
    '{"slackMsg":  "GitHub user<octo> just stared your repo<vanus>. Current number of stars: 1234."}',
  );
});

test("with a template the data and its content type change, and nothing else", () => {
  const kinds = [
    ['{"a":1}', "application/json"],
    ["a", "text/plain"],
  ] as const;
  for (const [template, datacontenttype] of kinds) {
    const result = transform({ template }, star);
    assert(result.ok);
    const { data, ...attributes } = result.event;
    const { data: _before, ...expected } = star.event;
    assert.deepEqual(attributes, { ...expected, datacontenttype, dataIsImpliedJson: false });
    assert.equal(Buffer.from(data ?? []).toString(), template);
  }
});

test("without a template the event passes unchanged", () => {
  for (const transformer of [{}, { define: { a: "$.type" } }, { pipeline: [] }]) {
    const result = transform(transformer, star);
    assert(result.ok);
    assert.equal(result.event, star.event);
  }
});

const values = viewOfData(
  '{"s":"a \\"b\\"\\n\\u00e9\\ud800","n":1.10,"big":123456789012345678901234567890,"t":true,"z":null,"o":{ "k" : [ 1 , "x y" ] },"a":[0,1,2,3]}',
);

const typed: readonly [placeholder: string, value: string, inString: string, text: string][] = [
  ["$.data.n", "1.10", "1.10", "1.10"],
  [
    "$.data.big",
    "123456789012345678901234567890",
    "123456789012345678901234567890",
    "123456789012345678901234567890",
  ],
  ["$.data.t", "true", "true", "true"],
  ["$.data.z", "null", "null", "null"],
  ["$.data.nothing", "null", "", ""],
  ["$.data.o", '{"k":[1,"x y"]}', '{\\"k\\":[1,\\"x y\\"]}', '{"k":[1,"x y"]}'],
  ["$.data.a[1:3]", "[1,2]", "[1,2]", "[1,2]"],
  ["$.data.a[9:]", "null", "", ""],
  ["$.data.a[-1]", "3", "3", "3"],
  ["$.type", '"test"', "test", "test"],
  ["$.subject", "null", "", ""],
  ["$.specversion", '"1.0"', "1.0", "1.0"],
];

test("a value is typed outside of quotes, escaped inside of them, and text in text", () => {
  for (const [path, value, inString, text] of typed) {
    const placeholder = `\${${path}}`;
    assert.equal(output({ template: `{"v":${placeholder}}` }, values), `{"v":${value}}`, path);
    assert.equal(output({ template: `["${placeholder}!"]` }, values), `["${inString}!"]`, path);
    assert.equal(output({ template: `v=${placeholder}!` }, values), `v=${text}!`, path);
    assert.equal(output({ template: { v: placeholder } }, values), `{"v":${value}}`, path);
    assert.equal(output({ template: [`${placeholder}!`] }, values), `["${inString}!"]`, path);
    const defined = { define: { v: path }, template: "v=${v}!" };
    assert.equal(output(defined, values), `v=${text}!`, path);
  }
});

test("a string keeps its characters in each way", () => {
  const text = 'a "b"\né\ud800';
  for (const template of [
    '["${$.data.s}"]',
    "[${$.data.s}]",
    ["${$.data.s}"],
    '["<${$.data.s}>"]',
  ]) {
    const [value] = JSON.parse(output({ template }, values)) as [string];
    assert.equal(value.replaceAll(/[<>]/g, ""), text);
  }
  // A lone surrogate cannot be written in UTF-8.
  assert.equal(output({ template: "${$.data.s}" }, values), 'a "b"\né\ufffd');
});

test("integer and boolean attributes keep their type", () => {
  const template = '{"a":${$.ext},"b":"${$.ext} ${$.flag}","c":${$.flag}}';
  assert.equal(output({ template }, star), '{"a":5,"b":"5 true","c":true}');
});

test("a constant may be of any JSON type, and a dollar alone is one", () => {
  const define = { d: "$", s: 'x"y', n: 5, z: null, o: { a: ["b c"] }, p: "${s}", q: "$5.00" };
  assert.equal(
    output({ define, template: "${d}${s}${n}${z}${o}${p}${q}" }, star),
    '$x"y5null{"a":["b c"]}${s}$5.00',
  );
  assert.equal(
    output({ define, template: '[${s},"${s}",${o},"${o}",${z}]' }, star),
    '["x\\"y","x\\"y",{"a":["b c"]},"{\\"a\\":[\\"b c\\"]}",null]',
  );
});

test("data that is not JSON is its text, with nothing inside", () => {
  const text = viewOfBytes(Buffer.from('say "hi"'), "text/plain");
  const template = '{"all":${$.data},"in":"${$.data}","x":${$.data.x}}';
  assert.equal(output({ template }, text), '{"all":"say \\"hi\\"","in":"say \\"hi\\"","x":null}');
  const none = viewOfBytes(undefined, undefined);
  assert.equal(output({ template: "<${$.data}|${$.data.x}|${$.type}>" }, none), "<||test>");
  const binary = viewOfBytes(Buffer.from([0xff, 0xfe]), "application/octet-stream");
  assert.equal(output({ template: "[${$.data}]", templateType: "json" }, binary), "[null]");
  const broken = viewOfBytes(Buffer.from('{"a":'), "application/json");
  assert.equal(output({ template: "${$.data}" }, broken), '{"a":');
});

test("what was inserted is never read again as a template", () => {
  const view = viewOfData('{"a":"${b} $${c} ${$.type}","b":"secret"}');
  const define = { a: "$.data.a", b: "$.data.b" };
  assert.equal(output({ define, template: "${a}" }, view), "${b} $${c} ${$.type}");
  assert.equal(output({ define, template: '"${a}"' }, view), '"${b} $${c} ${$.type}"');
});

test("keys are templates too, and repeated or odd keys stay as they are", () => {
  const view = viewOfData('{"k":"__proto__","v":1,"q":"\\""}');
  const template = { "${$.data.k}": "${$.data.v}", "x${$.data.q}": 2 };
  assert.equal(output({ template }, view), '{"__proto__":1,"x\\"":2}');
  const text = '{"${$.data.k}":1,"__proto__":${$.data.v}}';
  assert.equal(output({ template: text }, view), '{"__proto__":1,"__proto__":1}');
  const parsed = JSON.parse('{"__proto__":{"a":"${$.data.v}"}}') as unknown;
  assert.equal(output({ template: parsed }, view), '{"__proto__":{"a":1}}');
});

test("the first character that is no blank decides between JSON and text", () => {
  const cases = [
    ['  {"a":"${$.data.s}"}', "application/json"],
    ['\n["${$.data.s}"]', "application/json"],
    ['"${$.data.s}"', "application/json"],
    ["${$.data.s}", "text/plain"],
    ["", "text/plain"],
    ["5", "text/plain"],
  ] as const;
  for (const [template, contentType] of cases) {
    const result = transform({ template }, values);
    assert(result.ok);
    assert.equal(result.event.datacontenttype, contentType, template);
  }
});

test("a text that only begins like JSON is told how to be text", () => {
  const [violation] = violationsOf({ template: "[${$.type}] ${$.id}" });
  assert.match(violation?.message ?? "", /plain text needs templateType "text"/);
});

test("templateType decides when it is given, in both spellings", () => {
  assert.equal(
    output({ template: "${$.data.o}", templateType: "json" }, values),
    '{"k":[1,"x y"]}',
  );
  assert.equal(
    output({ template: '{"a" ${$.data.t}', template_type: "text" }, values),
    '{"a" true',
  );
  const both = { template: "1", templateType: "json", template_type: "json" };
  assert.equal(output(both, values), "1");
});

const omitted: readonly [template: unknown, output: string][] = [
  ['{"a":${$.data.x},"b":${$.data.t},"c":${$.data.x}}', '{"b":true}'],
  ['{ "a": ${$.data.x} }', "{}"],
  ["[${$.data.x}, ${$.data.t} ,2, ${$.data.x}]", "[ true ,2]"],
  ['{"a":{"b":${$.data.x}},"c":"${$.data.x}"}', '{"a":{},"c":""}'],
  ["[[${$.data.x}],[${$.data.t}]]", "[[],[true]]"],
  ['{"a":${$.data.z}}', '{"a":null}'],
  [
    { a: "${$.data.x}", b: ["${$.data.x}", "${$.data.t}"], c: "-${$.data.x}" },
    '{"b":[true],"c":"-"}',
  ],
  ["x=${$.data.x}!", "x=!"],
];

test('onMissing "omit" leaves out members and elements whose value is missing, not those that are null', () => {
  for (const [template, expected] of omitted) {
    assert.equal(
      output({ template, onMissing: "omit" }, values),
      expected,
      JSON.stringify(template),
    );
  }
  const root = { template: "${$.data.x}", templateType: "json", onMissing: "omit" };
  assert.equal(output(root, values), "null");
});

test('onMissing "null" is what happens without it', () => {
  const template = '{"a":${$.data.x},"b":"<${$.data.x}>"}';
  for (const transformer of [{ template }, { template, onMissing: "null" }]) {
    assert.equal(output(transformer, values), '{"a":null,"b":"<>"}');
  }
});

test('onMissing "fail" fails where anything is missing, and says what', () => {
  for (const template of ['{"a":${x}}', '"${x}"', "text ${x}", { a: ["${x}"] }]) {
    const transformer = { define: { x: "$.data.x" }, template, onMissing: "fail" };
    const result = transform(transformer, values);
    assert(!result.ok);
    assert.equal(result.failure.path, "transformer.template");
    assert.equal(result.failure.code, "missing_value");
    assert.match(result.failure.message, /\$\{x\}/);
    assert(
      transform({ ...transformer, define: { x: "$.data.z" } }, values).ok,
      "null is not missing",
    );
  }
});

test("the output is at most transformOutputBytesMax bytes, whatever the template repeats", () => {
  const half = viewOfData(JSON.stringify({ a: "é".repeat(limits.transformOutputBytesMax / 4) }));
  const once = transform({ template: "${$.data.a}" }, half);
  assert(once.ok);
  for (const template of ["${$.data.a}${$.data.a}x", "${$.data.a}".repeat(1000)]) {
    const result = transform({ template }, half);
    assert(!result.ok);
    assert.equal(result.failure.code, "output_too_large");
  }
});

test("a path that finds too many values fails the event, not the broker", () => {
  const view = viewOfData(`[${"1,".repeat(limits.pathMatchesMax)}1]`);
  const result = transform({ template: "${$.data[*]}" }, view);
  assert(!result.ok);
  assert.equal(result.failure.code, "too_many_matches");
});

const article = { define: { sender: "$.data.sender.login" }, template: "${sender}" };

const refusals: readonly [transformer: unknown, path: string, code: string, message: RegExp][] = [
  [null, "transformer", "invalid_value", /not null/],
  [[], "transformer", "invalid_value", /not a list/],
  ["x", "transformer", "invalid_value", /not a string/],
  [
    { tempalte: "x" },
    "transformer.tempalte",
    "unknown_member",
    /known: define, pipeline, template/,
  ],
  [JSON.parse('{"__proto__":1}'), "transformer.__proto__", "unknown_member", /known/],
  [
    { pipeline: [{ command: ["delete"] }] },
    "transformer.pipeline[0].command",
    "invalid_command",
    /used as: delete path/,
  ],
  [
    { pipeline: [{ command: ["nope", "$.x"] }] },
    "transformer.pipeline[0].command",
    "invalid_command",
    /no command "nope"; known: create/,
  ],
  [{ pipeline: [{ command: [] }] }, "transformer.pipeline[0].command", "invalid_command", /name/],
  [{ pipeline: ["delete"] }, "transformer.pipeline[0]", "invalid_value", /expected {"command"/],
  [
    { pipeline: [{ command: ["delete", "$.a"] }, { command: ["delete", "x"] }] },
    "transformer.pipeline[1].command[1]",
    "invalid_command",
    /expected a path/,
  ],
  [
    { pipeline: [{ command: ["create", "$.data.a", "${nope}"] }] },
    "transformer.pipeline[0].command[2]",
    "invalid_command",
    /'nope' is not defined/,
  ],
  [
    { pipeline: [{ command: ["create", "$.data.a", 2 ** 60] }] },
    "transformer.pipeline[0].command[2]",
    "invalid_command",
    /lost digits/,
  ],
  [
    { pipeline: [{ command: ["create", "$.data.a[:2]", 1] }] },
    "transformer.pipeline[0].command[1]",
    "invalid_command",
    /no slices/,
  ],
  [
    { pipeline: [{ command: ["replace_with_regex", "$.data.a", "(", ""] }] },
    "transformer.pipeline[0].command[2]",
    "invalid_command",
    /missing closing/,
  ],
  [
    { pipeline: [{ command: ["replace_with_regex", "$.data.a", "a", "$1"] }] },
    "transformer.pipeline[0].command[3]",
    "invalid_command",
    /no such group/,
  ],
  [
    { pipeline: [{ command: ["array_foreach", "$.data.a", ["upper_case"]] }] },
    "transformer.pipeline[0].command",
    "invalid_command",
    /used as: upper_case path/,
  ],
  [
    { pipeline: Array.from({ length: 101 }, () => ({ command: ["delete", "$.data.a"] })) },
    "transformer.pipeline[100].command",
    "invalid_command",
    /at most 100/,
  ],
  [{ pipeline: {} }, "transformer.pipeline", "invalid_value", /list of commands/],
  [{ jsonata: "$" }, "transformer.jsonata", "not_supported_yet", /later/],
  [{ javascript: "x" }, "transformer.javascript", "not_supported_yet", /later/],
  [
    { template: "a <x>", syntax: "angle" },
    "transformer.template",
    "undefined_variable",
    /column 3: the variable 'x'/,
  ],
  [
    { template: "a < b", syntax: "angle" },
    "transformer.template",
    "invalid_template",
    /'<' is not closed by '>'; a literal '<' is written '\\<'/,
  ],
  [
    { template: "C:\\path", syntax: "angle" },
    "transformer.template",
    "invalid_template",
    /column 3: unknown escape/,
  ],
  [{ template: "x", syntax: "curly" }, "transformer.syntax", "invalid_value", /"angle" for <name>/],
  [{ define: [] }, "transformer.define", "invalid_value", /not a list/],
  [{ define: { "a b": 1 } }, 'transformer.define["a b"]', "invalid_value", /letters, digits/],
  [{ define: { a: "$.data..x" } }, "transformer.define.a", "invalid_path", /column 7: '\.\.'/],
  [
    { define: { a: "$.a-bc" } },
    "transformer.define.a",
    "invalid_path",
    /'a-bc' can be no attribute/,
  ],
  [{ define: { a: 2 ** 53 } }, "transformer.define.a", "invalid_value", /lost digits/],
  [{ define: { a: [{ b: 1e300 }] } }, "transformer.define.a", "invalid_value", /lost digits/],
  [{ template: null }, "transformer.template", "invalid_value", /not null/],
  [{ template: 5 }, "transformer.template", "invalid_value", /not a number/],
  [{ template: {}, templateType: "text" }, "transformer.template", "invalid_value", /is a string/],
  [
    { template: "x", templateType: "xml" },
    "transformer.templateType",
    "invalid_value",
    /"json", "text" or "none"/,
  ],
  [
    { template: "1", templateType: "json", template_type: "text" },
    "transformer.template_type",
    "invalid_value",
    /differ/,
  ],
  [{ template: "x", onMissing: null }, "transformer.onMissing", "invalid_value", /"omit"/],
  [
    { ...article, template: "a\n ${sendr}" },
    "transformer.template",
    "undefined_variable",
    /line 2, column 2: the variable 'sendr' is not defined; defined: sender/,
  ],
  [{ template: "${x}" }, "transformer.template", "undefined_variable", /define is empty/],
  [
    { ...article, template: { a: ["${nope}"] } },
    "transformer.template",
    "undefined_variable",
    /'nope'/,
  ],
  [{ template: "${__proto__}" }, "transformer.template", "undefined_variable", /'__proto__'/],
  [{ template: "${constructor}" }, "transformer.template", "undefined_variable", /'constructor'/],
  [
    { template: "a\nb ${" },
    "transformer.template",
    "invalid_template",
    /line 2, column 3: .* not closed/,
  ],
  [
    { template: '{"a":1,}' },
    "transformer.template",
    "invalid_template",
    /line 1, column 8: .*not valid JSON/,
  ],
  [
    { template: { a: [{ "b c": "x ${" }] } },
    'transformer.template.a[0]["b c"]',
    "invalid_template",
    /column 3: .*not closed/,
  ],
  [{ template: { "${": 1 } }, 'transformer.template["${"]', "invalid_template", /not closed/],
  [{ template: { n: 2 ** 60 } }, "transformer.template.n", "invalid_template", /lost digits/],
  [
    { template: "x".repeat(limits.templateBytesMax + 1) },
    "transformer.template",
    "too_large",
    /larger/,
  ],
  [
    { template: ["x".repeat(limits.templateBytesMax)] },
    "transformer.template",
    "too_large",
    /larger/,
  ],
  [
    { template: "${$.type}".repeat(limits.templatePlaceholdersMax + 1) },
    "transformer.template",
    "too_large",
    /placeholders/,
  ],
  [
    { define: { a: "x".repeat(limits.templateBytesMax) } },
    "transformer.define.a",
    "too_large",
    /larger/,
  ],
];

test("what can never be right is refused with its path, kind and way out", () => {
  for (const [transformer, path, code, message] of refusals) {
    const violations = violationsOf(transformer);
    assert.equal(violations.length, 1, JSON.stringify(violations));
    const [first] = violations;
    assert.equal(first?.path, path);
    assert.equal(first?.code, code, path);
    assert.match(first?.message ?? "", message, path);
  }
});

test("every violation is listed at once", () => {
  const transformer = {
    define: { a: "$.data..x", b: "$.type.y", c: 1 },
    template: "${nope} ${a} ${never}",
    templateType: "xml",
    extra: true,
    onMissing: 5,
  };
  assert.deepEqual(
    violationsOf(transformer).map(({ path }) => path),
    [
      "transformer.extra",
      "transformer.define.a",
      "transformer.define.b",
      "transformer.templateType",
      "transformer.onMissing",
      "transformer.template",
      "transformer.template",
    ],
  );
});

test("more than definitionsMax definitions are refused", () => {
  const names = Array.from({ length: limits.definitionsMax + 1 }, (_, index) => [`v${index}`, 1]);
  assert.equal(violationsOf({ define: Object.fromEntries(names) })[0]?.code, "too_large");
});

function nest(depth: number): unknown {
  let value: unknown = "x";
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}

test("constants that alone make too large an output are refused", () => {
  const define = { a: "x".repeat(60_000) };
  const [violation] = violationsOf({ define, template: "${a}".repeat(1000) });
  assert.equal(violation?.code, "too_large");
});

test("values nested without end are refused, not followed", () => {
  assert.equal(violationsOf({ template: nest(200_000) })[0]?.code, "too_large");
  assert.equal(violationsOf({ define: { a: nest(200_000) } })[0]?.code, "too_large");
  const text = "[".repeat(30_000) + "]".repeat(30_000);
  assert.equal(violationsOf({ template: text })[0]?.code, "invalid_template");
  assert.equal(
    output({ template: nest(limits.jsonDepthMax) }, values).length,
    2 * limits.jsonDepthMax + 3,
  );
});
