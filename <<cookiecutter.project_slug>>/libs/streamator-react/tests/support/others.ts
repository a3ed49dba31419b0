/**
 * Translators and extensions change the page, too. Each scenario runs alone, and then with one of them, which changes the
 * document after each of our changes. The page must show the same texts, and nothing may throw.
 */

import { act, cleanup } from "@testing-library/react";
import { expect, vi } from "vitest";

function texts(root: Node): Text[] {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found: Text[] = [];
  while (walker.nextNode()) found.push(walker.currentNode as Text);
  return found;
}

/** A browser's translator: it wraps each text node, or a copy of it, into two <font>. */
const translator = (isMoved: boolean) => (): void => {
  for (const text of texts(document.body)) {
    if (text.data.trim() === "" || text.parentElement?.closest("font, textarea, [translate=no]")) continue;
    const outer = document.createElement("font");
    const inner = document.createElement("font");
    outer.style.verticalAlign = inner.style.verticalAlign = "inherit";
    text.replaceWith(outer);
    outer.append(inner);
    inner.append(isMoved ? text : document.createTextNode(text.data));
  }
};

/** An extension that puts elements of its own everywhere and cuts texts in two. */
const extension = (): void => {
  for (const text of texts(document.body)) if (text.data.length > 1) text.splitText(1);
  for (const element of document.body.querySelectorAll("*:not(i, input, textarea, br)")) {
    if (element.querySelector(":scope > i")) continue;
    element.prepend(document.createElement("i"));
    element.append(document.createElement("i"));
  }
};

/** An extension that wraps elements, and puts a button of its own beside each. */
export const wrapper = (elements: string) => (): void => {
  for (const element of document.body.querySelectorAll(elements)) {
    if (element.parentElement?.matches("i, form")) continue; // happy-dom's forms are proxies: a form is not its children's parentElement
    const wrap = document.createElement("i");
    element.replaceWith(wrap);
    wrap.append(element, document.createElement("b"));
  }
};

const nobody = (): void => undefined;

export const OTHERS = [
  ["a translator that wraps texts", translator(true)],
  ["a translator that replaces texts", translator(false)],
  ["an extension", extension],
  ["a password manager", wrapper("input, textarea, select")],
  ["an extension that wraps buttons", wrapper("button")],
] as const;

/** One step of a scenario. It may return a text to wait for. */
export type Step = () => unknown;

/** Returns the text of the page after each step. */
async function play(steps: readonly Step[], meddle: () => void): Promise<(string | null)[]> {
  const said: (string | null)[] = [];
  const observer = new MutationObserver(() => {
    meddle();
    observer.takeRecords(); // its own changes
  });
  observer.observe(document.body, { childList: true, characterData: true, subtree: true });
  vi.setSystemTime(1_000_000);
  try {
    for (const step of steps) {
      const awaited = await act(async () => step());
      if (typeof awaited === "string") await shows(awaited);
      said.push(document.body.textContent);
    }
    return said;
  } finally {
    observer.disconnect();
    cleanup();
    document.body.replaceChildren();
  }
}

/** Moves the clock until the page shows `text`, and a little further. Then sets the clock back. */
async function shows(text: string): Promise<void> {
  const now = Date.now();
  for (let left = 300; left > 0; left -= 1) {
    if (document.body.textContent?.includes(text)) left = Math.min(left, 5);
    await act(() => vi.advanceTimersByTimeAsync(10));
  }
  expect(document.body.textContent).toContain(text);
  vi.setSystemTime(now);
}

/** Returns the texts of the page with `meddle`, and without. */
export async function playTwice(steps: () => readonly Step[], meddle: () => void): Promise<readonly [(string | null)[], (string | null)[]]> {
  const alone = await play(steps(), nobody);
  expect(new Set(alone).size).toBeGreaterThan(steps().length / 3); // the scenario does something
  return [await play(steps(), meddle), alone];
}
