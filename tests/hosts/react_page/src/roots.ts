import type { ReactElement } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";

export const render = (element: ReactElement, root: Element): void => createRoot(root).render(element);
export const hydrate = (element: ReactElement, root: Element): void => void hydrateRoot(root, element);
