import { Icon } from "./icons";
import { THEMES, useTheme } from "./theme";
import type { Theme } from "./theme";

const names: Record<Theme, string> = { system: "System", light: "Light", dark: "Dark" };
const icons = { system: "system", light: "sun", dark: "moon" } as const;

/** One button that goes round: system, light, dark. */
export function ThemeSwitch() {
  const [theme, setTheme] = useTheme();
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  return (
    <button
      type="button"
      className="button button--plain button--icon"
      onClick={() => setTheme(next)}
      aria-label={`Theme: ${names[theme]}. Change to ${names[next].toLowerCase()}.`}
      title={`Theme: ${names[theme]}`}
    >
      <Icon name={icons[theme]} />
    </button>
  );
}
