import * as React from "react";

export interface BarProps {
  /** 0 to 100; null: unknown. */
  readonly percent: number | null;
  readonly label: string;
  readonly text?: string;
  /** Moves while the percent is unknown. */
  readonly active?: boolean;
}

/** A progress bar. */
export function Bar({ percent, label, text, active = false }: BarProps): React.ReactElement {
  return (
    <div
      className={`streamator-bar${percent === null && active ? " streamator-bar--unknown" : ""}`}
      // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- a progress element cannot be styled the same everywhere
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent ?? undefined}
      aria-valuetext={text}
    >
      <div style={percent === null ? undefined : { inlineSize: `${percent}%` }} />
    </div>
  );
}
