import type { ReactElement } from "react";
import ReactDOM from "react-dom";

export const render = (element: ReactElement, root: Element): void => void ReactDOM.render(element, root);
export const hydrate = (element: ReactElement, root: Element): void => void ReactDOM.hydrate(element, root);
