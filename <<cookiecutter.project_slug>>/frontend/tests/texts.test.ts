// @vitest-environment node
/**
 * React writes a text's change into the text node that it made. Where a translator has put another in its place, nobody
 * sees the change. Of an element's only child React sets the element's `textContent`, and that is seen.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseSync, Visitor } from "vite";
import type { ESTree } from "vite";

type Child = ESTree.JSXChild | ESTree.JSXExpression;
type Fn = ESTree.ArrowFunctionExpression | ESTree.Function;

/** What a child puts into the page. */
interface Part {
  readonly node: ESTree.Span;
  readonly isText: boolean;
  /** Whether it is there, the same, for as long as its parent is. Of a list, nobody knows how many there are. */
  readonly stays: "always" | "not always" | "in a list";
}

/** What is wrong with the texts of a source: a line for each, with what to do. */
function wrongTexts(name: string, source: string): string[] {
  const { program, errors } = parseSync(name, source);
  if (errors[0]) throw new Error(`${name} cannot be parsed: ${errors[0].message}`);

  const results = new Map<unknown, ESTree.Expression[]>(); // of each function
  const components: Fn[] = [];
  const open: Fn[] = [];
  const isComponent = (id: string): boolean => /^[A-Z]|^render$/.test(id);
  const enter = (fn: Fn): void => {
    open.push(fn);
    results.set(fn, fn.type === "ArrowFunctionExpression" && fn.body.type !== "BlockStatement" ? [fn.body] : []);
    if (fn.id && isComponent(fn.id.name)) components.push(fn);
  };
  const leave = (): void => void open.pop();
  new Visitor({
    ArrowFunctionExpression: enter,
    "ArrowFunctionExpression:exit": leave,
    FunctionDeclaration: enter,
    "FunctionDeclaration:exit": leave,
    FunctionExpression: enter,
    "FunctionExpression:exit": leave,
    ReturnStatement({ argument }) {
      if (argument) results.get(open.at(-1))?.push(argument);
    },
    VariableDeclarator({ id, init }) {
      if (id.type === "Identifier" && isComponent(id.name) && init?.type === "ArrowFunctionExpression") components.push(init);
    },
    MethodDefinition({ key, value }) {
      if (key.type === "Identifier" && isComponent(key.name)) components.push(value as Fn);
    },
  }).visit(program);

  /** A line's end, or a comment: no child for React. */
  const isLayout = (child: Child): boolean =>
    child.type === "JSXText" ? child.value.trim() === "" && child.value.includes("\n") : child.type === "JSXExpressionContainer" && child.expression.type === "JSXEmptyExpression";

  function partsOf(child: Child, stays: Part["stays"] = "always"): Part[] {
    const changing = stays === "always" ? "not always" : stays;
    switch (child.type) {
      case "JSXText":
        return [{ node: child, isText: child.value.trim() !== "", stays }];
      case "JSXElement":
      case "JSXFragment":
        return [{ node: child, isText: false, stays }];
      case "JSXEmptyExpression":
        return [];
      case "JSXExpressionContainer":
      case "ChainExpression":
      case "ParenthesizedExpression":
      case "TSAsExpression":
      case "TSNonNullExpression":
        return partsOf(child.expression, stays);
      case "ConditionalExpression":
        return [...partsOf(child.consequent, changing), ...partsOf(child.alternate, changing)];
      case "LogicalExpression":
        return [...(child.operator === "&&" ? [] : partsOf(child.left, changing)), ...partsOf(child.right, changing)];
      case "Literal":
        if (child.value === null || typeof child.value === "boolean") return [];
        return [{ node: child, isText: String(child.value).trim() !== "", stays }];
      case "TemplateLiteral":
        return [{ node: child, isText: true, stays: child.expressions.length === 0 ? stays : changing }];
      case "CallExpression": {
        const made = child.arguments.flatMap((argument) => results.get(argument) ?? []);
        return made.length === 0 ? [{ node: child, isText: true, stays: changing }] : made.flatMap((one) => partsOf(one, "in a list"));
      }
      default: {
        const text = source.slice(child.start, child.end);
        if (text === "undefined") return [];
        return [{ node: child, isText: !/(^|\.)children$/.test(text), stays: changing }]; // children are looked at where they are given
      }
    }
  }

  const found = new Map<number, string>();
  const codeOf = ({ start, end }: ESTree.Span): string => source.slice(start, end).trim().replace(/\s+/g, " ");
  const report = ({ start, end }: ESTree.Span, what: string): void => {
    const line = source.slice(0, start + source.slice(start).search(/\S/)).split("\n").length;
    found.set(start, `${name}:${line}: ${codeOf({ start, end })} ${what}`);
  };
  const withoutElement = (where: string, children: readonly Child[]): void => {
    for (const { node, isText } of children.flatMap((child) => partsOf(child))) if (isText) report(node, `is in no element but in ${where}. Put it into a <span>.`);
  };
  const keyOf = ({ openingElement }: ESTree.JSXElement): string => {
    const key = openingElement.attributes.find((one) => one.type === "JSXAttribute" && one.name.name === "key");
    return key?.type === "JSXAttribute" && key.value ? codeOf(key.value) : "";
  };
  const mixed: ESTree.Span[] = []; // fixed texts beside others
  const places: Part[][] = []; // what may stand at one place
  for (const component of components) {
    withoutElement("a component", results.get(component) ?? []);
    places.push((results.get(component) ?? []).flatMap((one) => partsOf(one)));
  }
  new Visitor({
    JSXFragment: ({ children }) => withoutElement("a fragment", children),
    JSXElement(element) {
      const tag = codeOf(element.openingElement.name);
      const shown = element.children.filter((child) => !isLayout(child)).map((child) => partsOf(child));
      places.push(...shown);
      if (!/^[a-z][a-z0-9-]*$/.test(tag)) {
        const isKeyed = keyOf(element) !== "" && keyOf(element) === element.children.map(codeOf).join(""); // by its text
        if (!isKeyed) withoutElement(`<${tag}>`, element.children);
        return;
      }
      let comesAndGoes = false;
      for (const { node, isText, stays } of shown.flat()) {
        if (isText && (stays === "in a list" || (stays === "not always" && shown.length > 1))) {
          report(node, `changes beside others in <${tag}>. Put it into a <span>, or make all of the text one template string.`);
        } else if (isText && comesAndGoes) report(node, `is after what comes and goes in <${tag}>. Put it into a <span>.`);
        else if (isText && shown.length > 1) mixed.push(node);
        comesAndGoes ||= !isText && stays !== "always" && shown.length > 1;
      }
    },
  }).visit(program);
  for (const place of places) {
    const seen = new Map<string, ESTree.JSXElement>();
    for (const element of place.map(({ node }) => node as ESTree.JSXElement)) {
      if (element.type !== "JSXElement") continue;
      const same = `${codeOf(element.openingElement.name)} ${keyOf(element)}`;
      const before = seen.get(same);
      seen.set(same, element);
      const text = before && mixed.find(({ start, end }) => [before, element].some((one) => one.start < start && end < one.end));
      if (text) report(text, `takes the place of another text: to React <${codeOf(element.openingElement.name)}> is the same element in both cases. Give one a key.`);
    }
  }
  return [...found.values()].toSorted();
}

const CHANGES = "changes beside others";
const NO_ELEMENT = "is in no element but in";
const AFTER = "is after what comes and goes";
const PLACE = "takes the place of another text";

describe("a text that changes is the only child of its element", () => {
  const folder = join(import.meta.dirname, "../src");
  const sources = readdirSync(folder, { encoding: "utf8", recursive: true }).filter((name) => name.endsWith(".tsx"));

  it("in the whole app", () => {
    expect(sources).toContain("main.tsx");
    expect(sources.flatMap((name) => wrongTexts(name, readFileSync(join(folder, name), "utf8")))).toEqual([]);
  });

  it.each([
    ["<p>{count} left</p>", CHANGES],
    ["<p>Hello {name}</p>", CHANGES],
    ["<p>{name} </p>", CHANGES],
    ["<p>{null}{name}</p>", CHANGES],
    ["<p><b />{(person as Person).name!}</p>", CHANGES],
    ["<p><b />{person?.name ?? <i />}</p>", CHANGES],
    ["<p>{count > 0 && \"some\"}<b /></p>", CHANGES],
    ["<button><Icon />{isBusy ? `Cancelling ${name}` : null}</button>", CHANGES],
    ["<p>{names.map((name) => name)}</p>", CHANGES],
    ["<p>{names?.map((name) => { if (name) return name; return <b />; })}</p>", CHANGES],
    ["<>{name}</>", NO_ELEMENT],
    ["<p>{isThere && <>text</>}</p>", NO_ELEMENT],
    ["<Fragment key={name}>text</Fragment>", NO_ELEMENT],
    ["<Card>{name}</Card>", NO_ELEMENT],
    ["<Card key={id}>{name}</Card>", NO_ELEMENT],
    ["<p>{isThere && <b />} text</p>", AFTER],
    ["<p>{names.map((name) => <b key={name} />)}text</p>", AFTER],
    ["<p>{is ? <b><i />one</b> : <b><i />two</b>}</p>", PLACE],
    ["<p>{is ? <b key={1}><i />one</b> : isNot ? <i /> : <b key={1}>two</b>}</p>", PLACE],
  ])("and is found where it is not: %s", (code, what) => {
    const found = wrongTexts("Some.tsx", `const page = (\n${code}\n);`);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^Some\\.tsx:2: .+ ${what}.+(Put it into a <span>|Give one a key)`));
  });

  it("with the line where the text is", () => {
    expect(wrongTexts("Some.tsx", "const page = (\n  <Card>\n    text\n  </Card>\n);")).toEqual(["Some.tsx:3: text is in no element but in <Card>. Put it into a <span>."]);
  });

  it.each([
    ["function Name({ name }) { return name; }", NO_ELEMENT],
    ["const Name = () => 'text';", NO_ELEMENT],
    ["const Name = memo(function Name({ name }) { if (!name) return null; return name; });", NO_ELEMENT],
    ["class Name extends Component { render() { return this.props.name; } }", NO_ELEMENT],
    ["function Name({ name }) { if (!name) return <p><b />none</p>; return <p><b />some</p>; }", PLACE],
  ])("also as what a component gives: %s", (code, what) => {
    expect(wrongTexts("Some.tsx", code)).toEqual([expect.stringContaining(what)]);
  });

  it.each([
    "<p>{name}</p>",
    "<p>\n  {/* the name */}\n  {name}\n</p>",
    "<p>{isThere ? `${count} left` : name}</p>",
    "<p>{isThere ? name : <b />}</p>",
    "<p>See <a>the manual</a> for {\"more\"}.</p>",
    "<button><Icon /><span>{name}</span></button>",
    "<p>{isThere && <b>{name}</b>} <span>text</span></p>",
    "<ul>{names.map((name) => <li key={name}>{name}</li>)}</ul>",
    "<Card title={name}>{children}</Card>",
    "<div><b />{this.props.children}</div>",
    "<Markdown key={name} className=\"prose\">{name}</Markdown>",
    "<p>{is ? <b key=\"one\"><i />one</b> : <b><i />two</b>}</p>",
    "<p>{is ? <b><i />one</b> : <i>two</i>}</p>",
    "<p onClick={() => name}>{names.map(nameOf).join()}</p>",
  ])("and is left alone where it is: %s", (code) => {
    expect(wrongTexts("Some.tsx", `const page = ${code};`)).toEqual([]);
  });
});
