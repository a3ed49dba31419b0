import { useRef, useState, type CSSProperties, type ReactElement, type ReactNode } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { ALL, blocksOf, UNSEEN, viewOf, type View } from "./blocks.js";
import { followEnd, type Follower } from "./followEnd.js";
import { LogBlock, type LogBlockProps } from "./LogBlock.js";
import type { PanelEntry } from "./LogRow.js";
import type { LogEntry } from "./types.js";

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
  const follower = useRef<Follower | null>(null);
  const [following, setFollowing] = useState(autoScroll);
  const [view, setView] = useState<View>(UNSEEN);
  const blocks = blocksOf(logs.length, (logs[0]?.line ?? 1) - 1);

  useEffectBeforePaint(() => {
    if (!autoScroll || !scroller.current || !content.current) return undefined;
    const started = followEnd(scroller.current, content.current, setFollowing);
    follower.current = started;
    setFollowing(true);
    return () => {
      started.stop();
      follower.current = null;
      setFollowing(false);
    };
  }, [autoScroll]);

  useEffectBeforePaint(() => {
    follower.current?.stick();
  }, [logs]);

  const [measure] = useState(() => () => {
    if (!scroller.current || !content.current) return;
    const now = viewOf(scroller.current, content.current);
    setView((before) => (before.first === now.first && before.last === now.last && before.lines === now.lines ? before : now));
  });
  // While it follows, the view is at the end: once the panel is full there is nothing to measure.
  const settled = following && blocks.length > 2;
  useEffectBeforePaint(() => {
    if (!settled) measure();
  }, [logs, settled, measure]);
  useEffectBeforePaint(() => {
    const stop = new AbortController();
    const options = { capture: true, passive: true, signal: stop.signal }; // the scrolling of all that is around it, too
    document.addEventListener("scroll", () => follower.current?.following || measure(), options);
    const observer = typeof ResizeObserver === "function" ? new ResizeObserver(measure) : null;
    if (scroller.current) observer?.observe(scroller.current);
    measure();
    return () => {
      stop.abort();
      observer?.disconnect();
    };
  }, [measure]);
  const tail = following ? logs.length - view.lines : Number.POSITIVE_INFINITY;

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
        {blocks.map(({ key, start, end }, index) => (
          <LogBlock
            key={key}
            logs={logs}
            start={start}
            end={end}
            near={following && view !== ALL ? end > tail : index >= view.first && index <= view.last}
            renderEntry={renderEntry as LogBlockProps["renderEntry"]}
          />
        ))}
      </div>
    </div>
  );
}

function withMaxHeight(style: CSSProperties | undefined, maxHeight: string | number): CSSProperties {
  const value = typeof maxHeight === "number" ? `${maxHeight}px` : maxHeight;
  return { ...style, "--streamator-max-height": value } as CSSProperties;
}
