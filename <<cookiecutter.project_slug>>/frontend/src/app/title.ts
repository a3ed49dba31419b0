import { useEffect } from "react";

/** The title of the browser's tab: what is seen, then the project's name. */
let projectName = "";
let current: string | null = null;

export function setProjectName(name: string): void {
  projectName = name;
  show();
}

/** Puts `text` before the project's name while the component is there; null: the name alone. */
export function useTitle(text: string | null): void {
  useEffect(() => {
    current = text;
    show();
    return () => {
      current = null;
      show();
    };
  }, [text]);
}

function show(): void {
  if (projectName === "") return; // the page's own title stands until the name is known
  document.title = current === null ? projectName : `${current} · ${projectName}`;
}
