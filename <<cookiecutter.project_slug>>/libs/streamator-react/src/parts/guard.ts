"use client";

import { createElement, type ReactNode, type RefObject } from "react";
import { useEffectBeforePaint } from "../hooks/useLatest.js";

/** Puts a caller's text into an element: React can remove that even after a translator has replaced the text. */
export function boxed(node: ReactNode): ReactNode {
  return typeof node === "string" || typeof node === "number" ? createElement("div", null, node) : node;
}

/**
 * Guards a node whose children React adds and removes. If a translator or an extension moved one of them, the DOM's own
 * methods would throw, and React would unmount the whole page. Use it as a `ref`, or call it with `Node.prototype` to guard
 * a whole page.
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

/** Guards the element of a `ref` that has other uses. */
export function useGuard(element: RefObject<Element | null>): void {
  useEffectBeforePaint(() => guard(element.current), [element]);
}
