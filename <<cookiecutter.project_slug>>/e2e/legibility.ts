/** How well a text can be read, as a browser draws it. */

import type { Locator } from "@playwright/test";

/** The colour of an element's text, and its contrast to the first ground behind it that is not see-through (WCAG 2, 1.4.3). */
export async function legibility(element: Locator): Promise<{ colour: string; contrast: number }> {
  const { text, ground } = await element.evaluate((start) => {
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    if (context === null) throw new Error("this browser has no canvas");
    const rgba = (colour: string): number[] => {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data];
    };
    let behind: Element | null = start;
    while (behind !== null && rgba(getComputedStyle(behind).backgroundColor)[3] !== 255) behind = behind.parentElement;
    if (behind === null) throw new Error("there is nothing opaque behind the text");
    return { text: rgba(getComputedStyle(start).color), ground: rgba(getComputedStyle(behind).backgroundColor) };
  });
  const [a, b] = [luminance(text), luminance(ground)];
  return { colour: text.join(" "), contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) };
}

function luminance(colour: readonly number[]): number {
  const [r = 0, g = 0, b = 0] = colour.slice(0, 3).map((channel) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
