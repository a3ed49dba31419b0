import { Fragment, memo, useEffect, useLayoutEffect, useRef, type CSSProperties, type ReactElement, type ReactNode } from "react";
import { followEnd } from "./followEnd.js";
import type { LogEntry } from "./types.js";

/** The least that a line needs to be shown. `useLogStream`'s entries have it, and so may your own. */
export interface PanelEntry {
  readonly text: string;
  /** Seconds, shown as "12.3s"; a string is shown as it is. */
  readonly t?: number | string | null;
  readonly level?: string;
  /** A number that stays with the line, so that dropping old lines does not render the others anew. */
  readonly line?: number;
}

export interface LogPanelProps<Entry extends PanelEntry = LogEntry> {
  /** The lines, oldest first. A new array for each change. */
  logs: readonly Entry[];
  /** Whether more lines may come. */
  active: boolean;
  /** Shown while active and there is no line yet. Default "⏳ Starting…". */
  waitingText?: ReactNode;
  /** Any CSS length, e.g. "200px" (a number is pixels). Default 160px, by `--streamator-max-height`. */
  maxHeight?: string | number;
  className?: string;
  style?: CSSProperties;
  /** Draws a line in place of the default row. Give a stable function: a new one draws all lines anew. */
  renderEntry?: (entry: Entry, index: number) => ReactNode;
  /** Keep the newest line in view until the reader scrolls away; again when they return to the end. Default true. */
  autoScroll?: boolean;
  /** The accessible name, default "Job log". */
  "aria-label"?: string;
}

/** Lines per block. A block out of view costs the browser neither layout nor paint. */
const BLOCK = 200;

/**
 * Shows a log: one row per line, the newest in view. Null when there is neither a line nor the prospect of one.
 *
 * Texts are shown as they are, never as markup. Rows are rendered in memoised blocks, so that a new line costs the
 * rows of its own block at most.
 */
export function LogPanel<Entry extends PanelEntry = LogEntry>(props: LogPanelProps<Entry>): ReactElement | null {
  // Two components, so that the effects of the inner one start with its element and end with it.
  return props.active || props.logs.length > 0 ? <Panel {...props} /> : null;
}

function Panel<Entry extends PanelEntry>({
  logs,
  active,
  waitingText = "⏳ Starting…",
  maxHeight,
  className,
  style,
  renderEntry,
  autoScroll = true,
  "aria-label": label = "Job log",
}: LogPanelProps<Entry>): ReactElement {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const follower = useRef<ReturnType<typeof followEnd> | null>(null);

  useEffectBeforePaint(() => {
    if (!autoScroll || !scroller.current || !content.current) return undefined;
    const started = followEnd(scroller.current, content.current);
    follower.current = started;
    return () => {
      started.stop();
      follower.current = null;
    };
  }, [autoScroll]);

  useEffectBeforePaint(() => {
    follower.current?.stick();
  }, [logs]);

  return (
    <div
      ref={scroller}
      className={className ? `streamator-log ${className}` : "streamator-log"}
      style={maxHeight === undefined ? style : withMaxHeight(style, maxHeight)}
      role="log"
      aria-label={label}
      // A log announces every line by default: unbearable at ten a second.
      aria-live="off"
      aria-busy={active}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
      tabIndex={0}
    >
      <div ref={content} className="streamator-log-content">
        {logs.length === 0 ? <div className="streamator-log-waiting">{waitingText}</div> : null}
        {blocksOf(logs).map(({ key, start, end }) => (
          <Block key={key} logs={logs} start={start} end={end} renderEntry={renderEntry as BlockProps["renderEntry"]} />
        ))}
      </div>
    </div>
  );
}

interface BlockProps {
  readonly logs: readonly PanelEntry[];
  readonly start: number;
  readonly end: number;
  readonly renderEntry: ((entry: PanelEntry, index: number) => ReactNode) | undefined;
}

const Block = memo(function Block({ logs, start, end, renderEntry }: BlockProps): ReactElement {
  const rows = logs.slice(start, end);
  return (
    <div className="streamator-log-block" style={{ "--streamator-rows": rows.length } as CSSProperties}>
      {rows.map((entry, offset) =>
        renderEntry ? (
          <Fragment key={entry.line ?? offset}>{renderEntry(entry, start + offset)}</Fragment>
        ) : (
          <div key={entry.line ?? offset} className={rowClass(entry.level ?? "info")}>
            <span className="streamator-log-time">{timeText(entry.t)}</span>
            <span className="streamator-log-text">{entry.text}</span>
          </div>
        ),
      )}
    </div>
  );
}, sameRows);

/** Each publish brings a new array that holds the same entries: compare those. */
function sameRows(before: BlockProps, after: BlockProps): boolean {
  if (before.renderEntry !== after.renderEntry) return false;
  if (after.renderEntry && before.start !== after.start) return false; // its rows know their index
  const count = after.end - after.start;
  if (before.end - before.start !== count) return false;
  if (before.logs === after.logs && before.start === after.start) return true;
  for (let offset = 0; offset < count; offset += 1) {
    if (before.logs[before.start + offset] !== after.logs[after.start + offset]) return false;
  }
  return true;
}

/** Cuts the log where line numbers pass a multiple of BLOCK, so that blocks keep their rows when old ones go. */
function blocksOf(logs: readonly PanelEntry[]): { key: number; start: number; end: number }[] {
  const blocks = [];
  const offset = (logs[0]?.line ?? 1) - 1;
  for (let start = 0; start < logs.length; ) {
    const key = Math.floor((offset + start) / BLOCK);
    const end = Math.min(logs.length, (key + 1) * BLOCK - offset);
    blocks.push({ key, start, end });
    start = end;
  }
  return blocks;
}

function rowClass(level: string): string {
  const modifier = level === "info" ? "" : ` streamator-log-entry--${level}`;
  return `streamator-log-entry${modifier} log-entry--${level}`;
}

function timeText(t: PanelEntry["t"]): string {
  return typeof t === "number" ? `${t.toFixed(1)}s` : (t ?? "");
}

function withMaxHeight(style: CSSProperties | undefined, maxHeight: string | number): CSSProperties {
  const value = typeof maxHeight === "number" ? `${maxHeight}px` : maxHeight;
  return { ...style, "--streamator-max-height": value } as CSSProperties;
}

// On a server there is no paint to come before, and React 17 and 18 warn of the other.
const useEffectBeforePaint = typeof document === "undefined" ? useEffect : useLayoutEffect;
