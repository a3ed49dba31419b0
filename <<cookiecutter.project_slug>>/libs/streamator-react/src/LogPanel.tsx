"use client";

import * as React from "react";
import {
  useEffect,
  useMemo,
  useRef,
  useState,
  type ClipboardEvent,
  type CSSProperties,
  type ReactNode,
} from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { ALL, lineHeightOf, makeCutter, viewOf, windowOf } from "./blocks.js";
import { ConnectionLine } from "./ConnectionLine.js";
import { countAfter, lineOf, placeOf, selectedText, type LineLook, type LogTime, type PanelEntry } from "./line.js";
import { LogBlock, LogRows, type RenderEntry } from "./LogBlock.js";
import { LogSummary } from "./LogSummary.js";
import type { LogChoice } from "./LogToolbar.js";
import { toolbarPart, usePart } from "./parts.js";
import type { LogEntry } from "./types.js";
import { useFollowing } from "./useFollowing.js";
import { useNamedLine } from "./useNamedLine.js";
import { useInPage } from "./useNow.js";
import { useSelectedBlocks } from "./useSelectedBlocks.js";
import { useCentred, useTarget } from "./useTarget.js";
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
  /** Show ANSI colour codes as colours. Default false: a text is shown as it is. */
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

  const words = useMemo(() => ({ ...WORDS, ...ownWords }), [ownWords]);
  const windowed = renderer === "window";
  const tools = usePart(toolbarPart, toolbar);

  const [choice, setChoice] = useState<LogChoice>(AS_GIVEN);
  const time = choice.time ?? initialTime;
  const wrap = !windowed && (choice.wrap ?? initialWrap);
  const inPage = useInPage();
  const startedAt = start === null ? null : inPage || time !== "wall" ? Number(start) : Number.NaN;
  const links = lineLinks === true ? "L" : lineLinks || null;
  const linkTitle = words.line;
  const look = useMemo<LineLook>(() => ({ time, startedAt, ansi, links, linkTitle }), [time, startedAt, ansi, links, linkTitle]);

  const { hidden } = choice;
  const shown = useMemo(() => (hidden.length === 0 ? logs : logs.filter(({ level = "info" }) => !hidden.includes(level))), [logs, hidden]);

  const [cut] = useState(makeCutter);
  const blocks = useMemo(() => (windowed ? [] : cut(shown)), [cut, windowed, shown]);
  const lastLine = lineOf(shown, shown.length - 1);

  const [target, setTarget] = useTarget(shown);
  const [left, setLeft] = useState(0); // the last line when the reader went away
  const { following, follower } = useFollowing(scroller, content, autoScroll, (now) => {
    if (now) setTarget(null);
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
  useCentred(scroller, target, follower, (index) => {
    if (!windowed) return elementOf(index)?.getBoundingClientRect() ?? null;
    const inner = content.current as HTMLDivElement;
    const height = lineHeightOf(inner);
    return { top: inner.getBoundingClientRect().top + index * height, height };
  });
  const isNear = (place: number, from: number, to: number): boolean =>
    shown.length <= FEW || (selected[place] ?? ((tail === null ? place >= view.first && place <= view.last : to > tail) || (target.index >= from && target.index < to)));
  const goTo = (index: number): void => {
    const entry = shown[index];
    if (entry === undefined) return;
    follower.leave();
    setTarget(entry);
  };

  useEffectBeforePaint(() => {
    follower.stick();
  }, [follower, shown, view, look, wrap]);
  // While it follows, the view is at the end: once the panel is full there is nothing to measure.
  const settled = following && blocks.length > 2;
  useEffectBeforePaint(() => {
    if (!settled) measure();
  }, [shown, settled, look, wrap, target.call, measure]);

  // The line that the page's address names.
  const named = useNamedLine(links);
  const linked = useMemo(() => (named === null ? -1 : placeOf(shown, named)), [shown, named]);
  const isThere = linked !== -1;
  const goToLine = useRef<(line: number) => void>(() => undefined);
  useEffectBeforePaint(() => {
    goToLine.current = (line) => goTo(placeOf(shown, line));
  });
  useEffect(() => {
    if (named === null || !isThere) return;
    scroller.current?.scrollIntoView?.({ block: "nearest" });
    goToLine.current(named); // once for each address, when its line is there
  }, [named, isThere]);

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
  const labels = ownWords?.level && labelsOf(ownWords.level);
  const draw = renderEntry as RenderEntry | undefined;

  const log = (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- a copy of what is shown
    <div
      ref={scroller}
      className={`streamator-log${wrap ? "" : " streamator-log--nowrap"}${framed ? "" : outer.className}`}
      style={framed ? labels : { ...outer.style, ...labels }}
      role="log"
      aria-label={label}
      // A log announces every line by default: unbearable at ten a second.
      aria-live="off"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
      tabIndex={0}
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
          <button type="button" onClick={() => follower.resume()}>
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
      {toolbar && !tools ? <div className="streamator-log-toolbar" /> : null}
      {tools ? (
        <tools.Toolbar
          words={words}
          logs={logs}
          shown={shown}
          look={look}
          wrap={windowed ? null : wrap}
          choice={choice}
          onChoice={setChoice}
          current={target.index}
          goTo={goTo}
          elementOf={elementOf}
          drawn={{ shown, view, tail, look, wrap }}
          scroller={scroller}
          content={content}
          fileName={fileName}
        />
      ) : null}
      {log}
      {connection ? <ConnectionLine connection={connection} words={words} /> : null}
      {status}
    </div>
  );
}

const AS_GIVEN: LogChoice = { time: null, wrap: null, hidden: [] };

/** So few lines are all rows, wherever the panel is: what looks for a row by its class finds it. */
const FEW = 1_000;

/** The most rows of a window: as many as a tall screen shows, though nothing may be laid out to count them. */
const MOST_ROWS = 120;

/** What a screen reader says before a line of these levels, for log.css, which has the English words. */
function labelsOf(word: LogWords["level"]): CSSProperties {
  return Object.fromEntries(["error", "warning", "success"].map((level) => [`--streamator-${level}-label`, JSON.stringify(`${word(level)}: `)]));
}

function withMaxHeight(style: CSSProperties | undefined, maxHeight: string | number): CSSProperties {
  const value = typeof maxHeight === "number" ? `${maxHeight}px` : maxHeight;
  return { ...style, "--streamator-max-height": value } as CSSProperties;
}
