/** What people who cannot see the page, or not well, have of it: as axe judges it, and as the browser tells it to a screen reader. */

import axe from "axe-core";
import { expect, openJob, test } from "./fixtures";
import type { Page } from "./fixtures";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** What axe finds, as lines that can be read. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source); // not as a script, which the page's own policy keeps out
  return page.evaluate(async (values) => {
    const { violations } = await (globalThis as unknown as { axe: typeof axe }).axe.run({ runOnly: { type: "tag", values } });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary}`));
  }, RULES);
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds no fault in any page (${colorScheme})`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await openJob(page);
    expect(await faults(page), "a job").toEqual([]);
    const links = await page.getByRole("navigation").getByRole("link").evaluateAll((found) => found.map((link) => link.getAttribute("href") ?? ""));
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) {
      await page.goto(`/${link}`);
      await expect(page.getByRole("heading").first()).toBeVisible();
      expect(await faults(page), link).toEqual([]);
    }
    await page.goto("/#/library");
    const found = page.getByRole("region", { name: "Library" }).getByRole("listitem").first();
    await found.getByRole("button", { name: /^Delete / }).click();
    expect(await faults(page), "a document that may be deleted").toEqual([]);
    await found.getByRole("heading").getByRole("link").click();
    await expect(page.getByRole("dialog").getByRole("document")).toBeVisible();
    expect(await faults(page), "a document").toEqual([]);
  });
}

test("a screen reader is told each line with its level in a word, and the tools by their names", async ({ page }) => {
  const card = await openJob(page);
  const lines = await card.lines();
  expect(new Set(lines.map(({ level }) => level)).size).toBeGreaterThan(1);
  const tree = await treeOf(page);

  const said = spoken(tree, (node) => node.role === "log");
  const expected = lines.map(({ text, level }, index) => `${level === "info" ? "" : `${level}: `}[link Link to line ${index + 1}] <time> ${text}`);
  expect(said.replaceAll(/\d+\.\ds/g, "<time>").replaceAll(/\s+/g, " ").trim()).toBe(expected.join(" "));

  const tools = tree.filter(({ role }) => role === "searchbox" || role === "button").map(({ role, name, pressed }) => `${role} ${name}${pressed === undefined ? "" : ` (${pressed})`}`);
  for (const tool of ["searchbox Find", "button Previous match", "button Next match", "button Wrap (true)", "button Copy", "button Download"]) expect(tools).toContain(tool);
  for (const level of ["error", "warning", "success", "info"]) expect(tools.some((tool) => new RegExp(`^button \\d+ ${level}s? \\(true\\)$`).test(tool)), `${level} in ${tools.join()}`).toBe(true);
});

interface TreeNode {
  readonly role: string;
  readonly name: string;
  readonly pressed: string | undefined;
  readonly children: readonly TreeNode[];
}

/** What the browser gives to screen readers, without what it keeps from them, in the order of the page. */
async function treeOf(page: Page): Promise<TreeNode[]> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  const known = new Map(nodes.map((node) => [node.nodeId, node]));
  const made: TreeNode[] = [];
  const make = (id: string): TreeNode[] => {
    const node = known.get(id);
    if (node === undefined) return [];
    if (node.ignored) return (node.childIds ?? []).flatMap(make);
    const children: TreeNode[] = [];
    const pressed = node.properties?.find(({ name }) => name === "pressed")?.value.value;
    const one = { role: String(node.role?.value), name: String(node.name?.value ?? ""), pressed: pressed === undefined ? undefined : String(pressed), children };
    made.push(one);
    children.push(...(node.childIds ?? []).flatMap(make));
    return [one];
  };
  make(nodes[0]?.nodeId ?? "");
  return made;
}

/** What is read of the first of some nodes: texts, and links by their names. */
function spoken(tree: readonly TreeNode[], isIt: (node: TreeNode) => boolean): string {
  const read = ({ role, name, children }: TreeNode): string => (role === "StaticText" ? name : role === "link" ? `[link ${name}]` : children.map(read).join(" "));
  return tree.filter(isIt).slice(0, 1).map(read).join("");
}
