/** Light, dark, or what the system says. The colours themselves are light-dark() pairs in app.css. */

import { readStored, useStored } from "./stored";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "theme";

/** Before the first paint, so that the page does not flash in the other scheme. */
export function applyStoredTheme(): void {
  apply(readStored(KEY, THEMES, "system"));
}

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, store] = useStored(KEY, THEMES, "system");
  return [
    theme,
    (next) => {
      apply(next);
      store(next);
    },
  ];
}

function apply(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
