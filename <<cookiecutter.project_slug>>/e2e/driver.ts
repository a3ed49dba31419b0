/** What a test can have any browser do, however it is driven: the least that Playwright and plain WebDriver have in common. */

import type { Page } from "@playwright/test";
import { expect } from "./fixtures";

/** Pixels from the upper left corner of the view. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Driver {
  goto(url: string): Promise<void>;
  reload(): Promise<void>;
  /** Runs a function in the page, where it knows of nothing but what it is given. Both ways as JSON. */
  evaluate<Given, Result>(run: (given: Given) => Result, given: Given): Promise<Result>;
  click(at: Point): Promise<void>;
  /** Types to what has the focus; a line end is the Enter key. */
  type(text: string): Promise<void>;
  /** Turns the wheel, by pixels to the right and downwards. */
  wheel(at: Point, right: number, down: number): Promise<void>;
  /** Chooses files on the disk. */
  choose(selector: string, path: string): Promise<void>;
}

export function byPlaywright(page: Page): Driver {
  return {
    goto: async (url) => void (await page.goto(url)),
    reload: async () => void (await page.reload()),
    evaluate: <Given, Result>(run: (given: Given) => Result, given: Given) =>
      page.evaluate(run as (given: unknown) => Result, given as unknown) as Promise<Result>,
    click: ({ x, y }) => page.mouse.click(x, y),
    type: (text) => page.keyboard.type(text),
    wheel: async ({ x, y }, right, down) => {
      await page.mouse.move(x, y);
      await page.mouse.wheel(right, down);
    },
    choose: (selector, path) => page.locator(selector).setInputFiles(path),
  };
}

/** Somebody in front of the page. What they look for is named by a selector, and by some of its text. */
export class Reader {
  readonly driver: Driver;

  constructor(driver: Driver) {
    this.driver = driver;
  }

  texts(selector: string): Promise<string[]> {
    return this.driver.evaluate((wanted) => [...document.querySelectorAll(wanted)].map(({ textContent }) => textContent ?? ""), selector);
  }

  /** Waits until it is there. */
  async sees(selector: string, text = ""): Promise<void> {
    await expect(async () => {
      expect((await this.texts(selector)).filter((each) => each.includes(text)), `${selector} with “${text}”`).not.toEqual([]);
    }).toPass({ timeout: 10_000 });
  }

  /** Waits until it can be clicked, and does. */
  async click(selector: string, text = ""): Promise<void> {
    let at: Point | null = null;
    await expect(async () => {
      at = await this.driver.evaluate(
        (wanted) => {
          const element = [...document.querySelectorAll(wanted.selector)].find((each) => each.textContent?.includes(wanted.text));
          element?.scrollIntoView({ block: "center", behavior: "instant" });
          const box = element?.getBoundingClientRect();
          if (element === undefined || box === undefined) return null;
          const [x, y] = [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
          return element.contains(document.elementFromPoint(x, y)) ? { x, y } : null;
        },
        { selector, text },
      );
      expect(at, `${selector} with “${text}”, not covered by anything`).not.toBeNull();
    }).toPass({ timeout: 10_000 });
    if (at !== null) await this.driver.click(at);
  }

  async type(selector: string, text: string): Promise<void> {
    await this.click(selector);
    await this.driver.type(text);
  }
}
