import * as React from "react";
import {
  useEffect,
  useMemo,
  useRef,
  useState,
  type ClipboardEvent,
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
} from "react";
import { makeTerminal } from "./ansi.js";
import { useEffectBeforePaint } from "./beforePaint.js";
import { ALL, lineHeightOf, makeCutter, viewOf, windowOf } from "./blocks.js";
import { ConnectionLine } from "./ConnectionLine.js";
import { highlight } from "./highlight.js";
import { makeLevelCounter } from "./levels.js";
import { countAfter, lineOf, linesText, placeOf, selectedText, type LineLook, type LogTime, type PanelEntry } from "./line.js";
import { LogBlock, LogRows, type RenderEntry } from "./LogBlock.js";
import { LogSummary } from "./LogSummary.js";
import { LogToolbar } from "./LogToolbar.js";
import { Finder, step } from "./search.js";
import type { LogEntry } from "./types.js";
import { useFollowing } from "./useFollowing.js";
import { useNamedLine } from "./useNamedLine.js";
import { useSelectedBlocks } from "./useSelectedBlocks.js";
import { useTarget } from "./useTarget.js";
import { useView } from "./useView.js";
import { WORDS, type ConnectionView, type LogWords } from "./words.js";

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
  /** Find, filter by level, time, wrap, copy and download. Default false. */
  toolbar?: boolean;
  /** The hook's result: shows the state of the connection in a line below the log. Default none. */
  connection?: ConnectionView;
  /**
   * `blocks` (default) keeps every line in the document, for the browser's own find, select-all and copy. `window` keeps
   * the rows in view only, all of one height: for more than 200,000 lines, and where screen readers are slowed by many.
   */
  renderer?: "blocks" | "window";
  /** Which time a line shows at first: since the job began, of day (needs `startedAt`), or none. Default `elapsed`. */
  time?: LogTime;
  /** When the job began: a Date, or milliseconds since 1970. Default unknown: no time of day. */
  startedAt?: Date | number | null;
  /** Whether long lines wrap at first. Default true; rows of a window do not. */
  wrap?: boolean;
  /** Show each line as a terminal would: colours, progress bars in their last state. Default false: a text is shown as it is. */
  ansi?: boolean;
  /** Number the lines and link them: `#L123` leads to line 123. A string is used in place of "L". Default false. */
  lineLinks?: boolean | string;
  /** Tell screen readers from time to time what has come, errors first. Default true. */
  summary?: boolean;
  /** The name that a download has. Default "log.txt". */
  fileName?: string;
  /** The panel's words, in place of the English ones. Give a stable object. */
  words?: Partial<LogWords>;
}

/**
 * Shows a log: one row per line, the newest in view. Null when there is neither a line nor the prospect of one.
 *
 * Texts are shown as they are, never as markup. Lines are kept in memoised blocks, and those out of view are one text
 * node a block: a new line costs the rows of its own block at most, and a hundred thousand lines a few hundred nodes.
 */
export function LogPanel<Entry extends PanelEntry = LogEntry>(props: LogPanelProps<Entry>): React.ReactElement | null {
  // Two components, so that the effects of the inner one start with its element and end with it.
  return props.active || props.logs.length > 0 ? <Panel {...(props as unknown as LogPanelProps<PanelEntry>)} /> : null;
}

function Panel({
  logs,
  active,
  waitingText,
  maxHeight,
  className,
  style,
  renderEntry,
  autoScroll = true,
  "aria-label": label = "Job log",
  toolbar = false,
  connection,
  renderer = "blocks",
  time: initialTime = "elapsed",
  startedAt: start = null,
  wrap: initialWrap = true,
  ansi = false,
  lineLinks = false,
  summary = true,
  fileName = "log.txt",
  words: ownWords,
}: LogPanelProps<PanelEntry>): React.ReactElement {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);

  const words = useMemo(() => ({ ...WORDS, ...ownWords }), [ownWords]);
  const windowed = renderer === "window";

  const [chosenTime, setTime] = useState<LogTime | null>(null);
  const [chosenWrap, setWrap] = useState<boolean | null>(null);
  const startedAt = start === null ? null : Number(start);
  const times: readonly LogTime[] = startedAt === null ? ["elapsed", "off"] : ["elapsed", "wall", "off"];
  const time = chosenTime ?? initialTime;
  const wrap = !windowed && (chosenWrap ?? initialWrap);
  const links = lineLinks === true ? "L" : lineLinks || null;
  const linkTitle = words.line;
  const [terminal] = useState(makeTerminal);
  const ansiView = useMemo(() => (ansi ? terminal(logs) : null), [ansi, terminal, logs]);
  const look = useMemo<LineLook>(() => ({ time, startedAt, ansi: ansiView, links, linkTitle }), [time, startedAt, ansiView, links, linkTitle]);

  const [hidden, setHidden] = useState<readonly string[]>([]);
  const shown = useMemo(() => (hidden.length === 0 ? logs : logs.filter(({ level = "info" }) => !hidden.includes(level))), [logs, hidden]);
  const [count] = useState(makeLevelCounter);
  const counts = useMemo(() => (toolbar ? count(logs) : {}), [toolbar, count, logs]);

  const [finder] = useState(() => new Finder());
  const [query, setQuery] = useState("");
  const matches = useMemo(() => finder.find(shown, query, ansiView), [finder, shown, query, ansiView]);

  const [cut] = useState(makeCutter);
  const blocks = useMemo(() => (windowed ? [] : cut(shown)), [cut, windowed, shown]);
  const lastLine = lineOf(shown, shown.length - 1);

  const [left, setLeft] = useState(0); // the last line when the reader went away
  const { following, follower } = useFollowing(scroller, content, autoScroll, (now) => {
    if (now) target.set(null);
    else setLeft(lastLine);
  });
  const fresh = following || !autoScroll ? 0 : countAfter(shown, left);

  const [view, measure] = useView(scroller, content, follower, (panel, inner) => (windowed ? windowOf(panel, inner, shown.length) : viewOf(panel, inner)));
  const selected = useSelectedBlocks(content);

  // The lines that are drawn: those at the end while following, else those that were measured near the view.
  const tail = following && view !== ALL ? shown.length - view.lines : null;
  const rows = Math.min(view.lines, MOST_ROWS);
  const first = Math.max(0, tail === null ? Math.min(view.first, shown.length - rows) : shown.length - rows);

  /** The element of a line; null where it has none just now. */
  const elementOf = (index: number): Element | null => {
    if (windowed) return content.current?.firstElementChild?.children[index - first] ?? null;
    const place = blocks.findIndex(({ start: from, lines }) => index >= from && index < from + lines.length);
    const block = content.current?.children[place];
    return block?.children[index - (blocks[place]?.start ?? 0)] ?? block ?? null;
  };
  const target = useTarget(scroller, shown, (index) => {
    if (!windowed) return elementOf(index)?.getBoundingClientRect() ?? null;
    const inner = content.current as HTMLDivElement;
    const height = lineHeightOf(inner);
    return { top: inner.getBoundingClientRect().top + index * height, height };
  });
  const targetIndex = target.index;
  const isNear = (place: number, from: number, to: number): boolean =>
    shown.length <= FEW || (selected[place] ?? ((tail === null ? place >= view.first && place <= view.last : to > tail) || (targetIndex >= from && targetIndex < to)));
  const goTo = (index: number): void => {
    const entry = shown[index];
    if (entry === undefined) return;
    follower.current?.hold();
    target.set(entry);
  };

  useEffectBeforePaint(() => {
    follower.current?.stick();
  }, [follower, shown, view, look, wrap]);
  // While it follows, the view is at the end: once the panel is full there is nothing to measure.
  const settled = following && blocks.length > 2;
  useEffectBeforePaint(() => {
    if (!settled) measure();
  }, [shown, settled, look, wrap, target.entry, measure]);

  // Marks what was found in the rows that are drawn.
  useEffectBeforePaint(
    () => (query === "" || !content.current ? undefined : highlight(content.current, query, targetIndex === -1 ? null : elementOf(targetIndex))),
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- elementOf is made of these
    [query, shown, view, tail, targetIndex, look, wrap],
  );

  // The line that the page's address names.
  const named = useNamedLine(links);
  const linked = useMemo(() => (named === null ? -1 : placeOf(shown, named)), [shown, named]);
  const isThere = linked !== -1;
  useEffect(() => {
    if (!isThere) return;
    scroller.current?.scrollIntoView?.({ block: "nearest" });
    goTo(linked);
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- once for each address, when its line is there
  }, [named, isThere]);

  const stepBy = (by: 1 | -1): void => {
    const from = targetIndex === -1 ? (by === 1 ? -1 : shown.length) : targetIndex;
    goTo(step(matches, from, by));
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const { key, ctrlKey, metaKey, altKey } = event;
    if (!toolbar || ctrlKey || metaKey || altKey || event.target !== event.currentTarget) return;
    if (key === "/") {
      event.preventDefault(); // Firefox has a quick find of its own there
      field.current?.focus();
      field.current?.select();
    } else if ((key === "n" || key === "p") && query !== "") stepBy(key === "n" ? 1 : -1);
  };
  const onCopy = (event: ClipboardEvent<HTMLDivElement>): void => {
    const selection = document.getSelection();
    if (renderEntry || !selection || selection.isCollapsed || selection.rangeCount === 0) return;
    const range = selection.getRangeAt(0);
    if (!event.currentTarget.contains(range.commonAncestorContainer)) return; // more than the log: the browser's own way
    event.clipboardData.setData("text/plain", selectedText(range));
    event.preventDefault();
  };

  const framed = toolbar || connection !== undefined;
  const outer = { className: className ? ` ${className}` : "", style: maxHeight === undefined ? style : withMaxHeight(style, maxHeight) };
  const draw = renderEntry as RenderEntry | undefined;

  const log = (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- shortcuts for what the toolbar's buttons do
    <div
      ref={scroller}
      className={`streamator-log${wrap ? "" : " streamator-log--nowrap"}${framed ? "" : outer.className}`}
      style={framed ? undefined : outer.style}
      role="log"
      aria-label={label}
      // A log announces every line by default: unbearable at ten a second.
      aria-live="off"
      aria-busy={active}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
      tabIndex={0}
      onKeyDown={onKeyDown}
      onCopy={onCopy}
    >
      <div ref={content} className="streamator-log-content" style={windowed ? { height: `${shown.length * 1.5}em` } : undefined}>
        {logs.length === 0 ? <div className="streamator-log-waiting">{waitingText ?? words.waiting}</div> : null}
        {windowed ? (
          <div className="streamator-log-window" style={{ transform: `translateY(${first * 1.5}em)` }}>
            <LogRows lines={shown.slice(first, first + rows)} start={first} look={look} linked={linked - first} renderEntry={draw} />
          </div>
        ) : (
          blocks.map(({ key, start: from, lines }, index) => {
            const end = from + lines.length;
            return (
              <LogBlock
                key={key}
                lines={lines}
                start={draw || lines[0]?.line === undefined ? from : 0}
                near={isNear(index, from, end)}
                look={look}
                linked={linked >= from && linked < end ? linked - from : -1}
                renderEntry={draw}
              />
            );
          })
        )}
      </div>
      {fresh > 0 ? (
        <div className="streamator-log-jump">
          <button type="button" onClick={() => follower.current?.resume()}>
            ↓ {words.newLines(fresh)}
          </button>
        </div>
      ) : null}
    </div>
  );
  const status = summary ? <LogSummary logs={logs} active={active} words={words} /> : null;
  if (!framed) {
    return (
      <>
        {log}
        {status}
      </>
    );
  }
  return (
    <div className={`streamator-log-frame${outer.className}`} style={outer.style}>
      {toolbar ? (
        <LogToolbar
          words={words}
          input={field}
          query={query}
          onQuery={setQuery}
          found={matches.length}
          current={matches.indexOf(targetIndex) + 1}
          onStep={stepBy}
          onLeave={() => scroller.current?.focus()}
          counts={counts}
          hidden={hidden}
          onHidden={setHidden}
          time={time}
          times={times}
          onTime={setTime}
          wrap={windowed ? null : wrap}
          onWrap={setWrap}
          text={() => linesText(logs, look, true)}
          fileName={fileName}
        />
      ) : null}
      {log}
      {connection ? <ConnectionLine connection={connection} words={words} /> : null}
      {status}
    </div>
  );
}

/** So few lines are all rows, wherever the panel is: what looks for a row by its class finds it. */
const FEW = 1_000;

/** The most rows of a window: as many as a tall screen shows, though nothing may be laid out to count them. */
const MOST_ROWS = 120;

function withMaxHeight(style: CSSProperties | undefined, maxHeight: string | number): CSSProperties {
  const value = typeof maxHeight === "number" ? `${maxHeight}px` : maxHeight;
  return { ...style, "--streamator-max-height": value } as CSSProperties;
}
