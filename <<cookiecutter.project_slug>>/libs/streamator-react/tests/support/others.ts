/**
 * Others change the page too. Each scenario is played to nobody, then with somebody who changes the document whenever it
 * has changed: what is shown must be the same, and nothing may throw.
 */

import { act, cleanup } from "@testing-library/react";
import { expect, vi } from "vitest";

function texts(root: Node): Text[] {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found: Text[] = [];
  while (walker.nextNode()) found.push(walker.currentNode as Text);
  return found;
}

/** A browser's translator: each text is wrapped into two <font>, itself or as another text node. */
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
    if (element.parentElement?.matches("i, form")) continue; // happy-dom's forms are proxies, and not what their children name as their parent
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

/** What is done. It may give a text that is to be waited for. */
export type Step = () => unknown;

/** What the page says after each step. */
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

/** Lets time pass until the page shows `text`, and whatever comes with it; after that it is as late as before. */
async function shows(text: string): Promise<void> {
  const now = Date.now();
  for (let left = 300; left > 0; left -= 1) {
    if (document.body.textContent?.includes(text)) left = Math.min(left, 5);
    await act(() => vi.advanceTimersByTimeAsync(10));
  }
  expect(document.body.textContent).toContain(text);
  vi.setSystemTime(now);
}

/** What it says with somebody else in it, and alone. */
export async function playTwice(steps: () => readonly Step[], meddle: () => void): Promise<readonly [(string | null)[], (string | null)[]]> {
  const alone = await play(steps(), nobody);
  expect(new Set(alone).size).toBeGreaterThan(steps().length / 3); // the scenario does something
  return [await play(steps(), meddle), alone];
}
