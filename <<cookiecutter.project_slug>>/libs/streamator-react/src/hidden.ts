import type { CSSProperties } from "react";

/** For screen readers only. In the element and not in a style sheet: a page with a sheet of its own must hide it too. */
export const HIDDEN: CSSProperties = {
  position: "absolute",
  width: 1,
  height: 1,
  margin: -1,
  overflow: "hidden",
  clipPath: "inset(50%)",
  whiteSpace: "nowrap",
  userSelect: "none",
  WebkitUserSelect: "none",
};
