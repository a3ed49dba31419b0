"use client";

import { createElement, type ReactNode, type RefObject } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";

/** A text of somebody's own, put beside elements, in an element of its own: React takes that away also once the text was replaced. */
export function boxed(node: ReactNode): ReactNode {
  return typeof node === "string" || typeof node === "number" ? createElement("div", null, node) : node;
}

/**
 * For a node whose children React puts in and takes out: where a translator or an extension has moved or removed one of
 * them, the DOM's own methods would throw, and React would take the whole page down. A `ref`; `Node.prototype`
 * guards a whole page.
 */
export function guard(node: Node | null): void {
  if (!node) return;
  const { removeChild, insertBefore } = Node.prototype;
  node.removeChild = (child) => {
    if (child.parentNode) removeChild.call(child.parentNode, child);
    return child;
  };
  node.insertBefore = function (child, before) {
    let next = before;
    while (next && next.parentNode !== this) next = next.parentNode;
    insertBefore.call(this, child, next);
    return child;
  };
}

/** Guards the element of a `ref` that is wanted elsewhere, too. */
export function useGuard(element: RefObject<Element | null>): void {
  useEffectBeforePaint(() => guard(element.current), [element]);
}
