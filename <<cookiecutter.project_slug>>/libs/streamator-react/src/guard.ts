import { createElement, type ReactNode } from "react";

/** A text of somebody's own, put beside elements, in an element of its own: React takes that away also once the text was replaced. */
export function boxed(node: ReactNode): ReactNode {
  return typeof node === "string" || typeof node === "number" ? createElement("div", null, node) : node;
}

/**
 * For an element whose children React puts in and takes out: where a translator or an extension has moved or removed
 * one of them, the DOM's own methods would throw, and React would take the whole page down. A `ref`.
 */
export function guard(element: Element | null): void {
  if (!element) return;
  const { removeChild, insertBefore } = Node.prototype;
  element.removeChild = <Child extends Node>(child: Child): Child => {
    if (child.parentNode) removeChild.call(child.parentNode, child);
    return child;
  };
  element.insertBefore = <Child extends Node>(child: Child, before: Node | null): Child => {
    let next = before;
    while (next && next.parentNode !== element) next = next.parentNode;
    insertBefore.call(element, child, next);
    return child;
  };
}
