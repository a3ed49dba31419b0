import * as React from "react";
import {
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
  type ClipboardEvent,
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
} from "react";
import { Anchor } from "./Anchor.js";
import { useEffectBeforePaint } from "./beforePaint.js";
import { ALL, blocksIn, isText, lineHeightOf, makeCutter, makeStacker, topOf, viewOf, windowOf } from "./blocks.js";
import { ConnectionLine } from "./ConnectionLine.js";
import { guard } from "./guard.js";
import { countAfter, lineOf, placeOf, rowsOf, selectedText, type LineLook, type LogTime, type PanelEntry } from "./line.js";
import { LogBlock, LogRows, type RenderEntry } from "./LogBlock.js";
import { LogSummary } from "./LogSummary.js";
import type { LogChoice } from "./LogToolbar.js";
import { ansiPart, toolbarPart, usePart } from "./parts.js";
import type { LogEntry } from "./types.js";
import { useFollowing } from "./useFollowing.js";
import { useNamedLine } from "./useNamedLine.js";
import { useSelectedBlocks } from "./useSelectedBlocks.js";
import { useInPage } from "./useNow.js";
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
  /**
   * Draws a line in place of the default row, as one element; a text is put into a `div`. Give a stable function: a new one
   * draws all lines anew.
   */
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
   * the rows in view only: for more than 200,000 lines, and where screen readers are slowed by many. There lines do not wrap,
   * and what `renderEntry` draws is one line high.
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
  /**
   * Number the lines and link them: `#L123` leads to line 123. A string is used in place of "L". A function gives the address
   * of a line where hashes are routes, and `linkedLine` says which line the page's address names; keep it stable. Default false.
   */
  lineLinks?: boolean | string | ((line: number) => string);
  /** The number of the line to show and mark. Default: the one that `lineLinks` reads from the page's address. */
  linkedLine?: number | null;
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
  // A frame makes the log's element anew, and so all that listens to it.
  const framed = props.toolbar || props.connection !== undefined;
  return props.active || props.logs.length > 0 ? <Panel key={framed ? "framed" : "bare"} {...(props as unknown as LogPanelProps<PanelEntry>)} /> : null;
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
  linkedLine,
  summary = true,
  fileName = "log.txt",
  words: ownWords,
}: LogPanelProps<PanelEntry>): React.ReactElement {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);

  const words = useMemo(() => ({ ...WORDS, ...ownWords }), [ownWords]);
  const windowed = renderer === "window";

  const tools = usePart(toolbarPart, toolbar);
  const makeTerminal = usePart(ansiPart, ansi);
  const terminal = useMemo(() => makeTerminal?.() ?? null, [makeTerminal]);
  const ansiView = useMemo(() => terminal?.(logs) ?? null, [terminal, logs]);

  const [choice, setChoice] = useState<LogChoice>(AS_GIVEN);
  const time = choice.time ?? initialTime;
  const wrap = !windowed && (choice.wrap ?? initialWrap);
  const inPage = useInPage();
  const startedAt = start === null ? null : inPage || time !== "wall" ? Number(start) : Number.NaN;
  const [whole, setWhole] = useState<ReadonlySet<PanelEntry>>(NONE);
  const showWhole = useCallback((entry: PanelEntry) => {
    setWhole((before) => new Set(before).add(entry));
    scroller.current?.focus({ preventScroll: true }); // the button goes
  }, []);
  const look = useMemo<LineLook>(() => {
    const links = typeof lineLinks === "string" || lineLinks === true ? (line: number) => `#${prefixOf(lineLinks)}${line}` : lineLinks || null;
    return { time, startedAt, ansi: ansiView, links, whole, showWhole, words };
  }, [time, startedAt, ansiView, lineLinks, whole, showWhole, words]);

  const { hidden } = choice;
  const shown = useMemo(() => (hidden.length === 0 ? logs : logs.filter(({ level = "info" }) => !hidden.includes(level))), [logs, hidden]);

  const [cut] = useState(makeCutter);
  const blocks = useMemo(() => (windowed ? [] : cut(shown)), [cut, windowed, shown]);
  const [stacked] = useState(makeStacker);
  const rowsOfEntry = useMemo(() => (renderEntry ? () => 1 : (entry: PanelEntry) => rowsOf(entry, { whole, ansi: ansiView })), [renderEntry, whole, ansiView]);
  const stack = useMemo(() => (windowed ? stacked(shown, rowsOfEntry) : null), [windowed, stacked, shown, rowsOfEntry]);
  const lastLine = lineOf(shown, shown.length - 1);

  const [target, setTarget] = useTarget(shown);
  const [left, setLeft] = useState(0); // the last line when the reader went away
  const { following, follower } = useFollowing(scroller, content, autoScroll, (now) => {
    if (now) setTarget(null);
    else setLeft(lastLine);
  });
  const fresh = following || !autoScroll ? 0 : countAfter(shown, left);

  const [view, measure] = useView(scroller, content, follower, (panel, inner) => (stack ? windowOf(panel, inner, stack.total) : viewOf(panel, inner, blocks)));
  const selected = useSelectedBlocks(content, blocks);

  // The lines that are drawn: those at the end while following, else those that were measured near the view.
  const tail = following && view !== ALL ? shown.length - view.lines : null;
  const rows = Math.min(view.lines, MOST_ROWS);
  const total = stack?.total ?? 0;
  const firstRow = Math.max(0, Math.min(tail === null ? view.first : total, total - rows));
  const first = stack?.at(firstRow) ?? 0;
  const drawn = stack ? shown.slice(first, stack.at(firstRow + rows - 1) + 1) : NO_LINES;

  /** The element of a line; null where it has none just now. */
  const elementOf = (index: number): Element | null => {
    if (!content.current) return null;
    if (windowed) return content.current.querySelector(".streamator-log-window")?.children[index - first] ?? null;
    const place = blocks.findIndex(({ start: from, lines }) => index >= from && index < from + lines.length);
    const block = blocksIn(content.current)[place];
    return block && !isText(block) ? (block.children[index - (blocks[place]?.start ?? 0)] ?? block) : (block ?? null);
  };
  useCentred(scroller, target, follower, (index) => {
    if (!stack) return elementOf(index)?.getBoundingClientRect() ?? null;
    const inner = content.current as HTMLDivElement;
    const height = lineHeightOf(inner);
    return { top: inner.getBoundingClientRect().top + stack.top(index) * height, height: (stack.top(index + 1) - stack.top(index)) * height };
  });
  const isNear = (key: number, from: number, to: number): boolean =>
    shown.length <= FEW || (selected[key] ?? ((tail === null ? key >= view.first && key <= view.last : to > tail) || (target.index >= from && target.index < to)));
  const goTo = (index: number): void => {
    const entry = shown[index];
    if (entry === undefined) return;
    follower.leave();
    setTarget(entry);
  };

  useEffectBeforePaint(() => {
    guard(scroller.current);
    guard(content.current);
  }, []);
  useEffectBeforePaint(() => {
    follower.stick();
  }, [follower, shown, view, look, wrap]);
  // While it follows, the view is at the end: once the panel is full there is nothing to measure.
  const settled = following && blocks.length > 2;
  useEffectBeforePaint(() => {
    if (!settled) measure();
  }, [shown, settled, look, wrap, target.call, measure]);

  // The line that the page's address names.
  const inAddress = useNamedLine(linkedLine === undefined && (typeof lineLinks === "string" || lineLinks === true) ? prefixOf(lineLinks) : null);
  const named = linkedLine === undefined ? inAddress : linkedLine;
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

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const { key, ctrlKey, metaKey, altKey } = event;
    if (ctrlKey || metaKey || altKey) return;
    const onLog = event.target === event.currentTarget;
    const within = [...event.currentTarget.querySelectorAll<HTMLElement>(".streamator-log-line, .streamator-log-whole")];
    const at = within.indexOf(event.target as HTMLElement);
    if (onLog && key === "Enter" && within.length > 0) {
      const row = target.index === -1 ? topOf(event.currentTarget, content.current as HTMLDivElement) : elementOf(target.index);
      follower.leave();
      (within.find((one) => row && row.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING) ?? within[0])?.focus();
      event.preventDefault();
    } else if (at !== -1 && (key === "ArrowDown" || key === "ArrowUp")) {
      within[at + (key === "ArrowDown" ? 1 : -1)]?.focus();
      event.preventDefault();
    } else if (at !== -1 && key === "Escape") {
      event.currentTarget.focus();
      event.preventDefault();
    }
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
  const outer = { className: className ? ` ${className}` : "", style: maxHeight === undefined ? style : withMaxHeight(style, maxHeight, framed) };
  const labels = ownWords?.level && labelsOf(ownWords.level);
  const draw = renderEntry as RenderEntry | undefined;

  const log = (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- keys lead to what is within
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
      onKeyDown={onKeyDown}
      onCopy={onCopy}
    >
      <div ref={content} className="streamator-log-content" style={windowed ? { height: `${total * 1.5}em` } : undefined}>
        {logs.length === 0 ? <div className="streamator-log-waiting log-waiting">{waitingText ?? words.waiting}</div> : null}
        {windowed ? (
          <div ref={guard} className="streamator-log-window" style={{ transform: `translateY(${(stack?.top(first) ?? 0) * 1.5}em)` }}>
            <LogRows lines={drawn} start={first} look={look} linked={linked - first} renderEntry={draw} />
          </div>
        ) : (
          blocks.map(({ key, start: from, lines }) => {
            const end = from + lines.length;
            return (
              <LogBlock
                key={key}
                lines={lines}
                start={draw || lines[0]?.line === undefined ? from : 0}
                near={isNear(key, from, end)}
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
            <span>{`↓ ${words.newLines(fresh)}`}</span>
          </button>
        </div>
      ) : null}
      <Anchor scroller={scroller} content={content} follower={follower} off={following || windowed} of={[shown, view, look, wrap]} />
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

const NONE: ReadonlySet<PanelEntry> = new Set();
const NO_LINES: readonly PanelEntry[] = [];

function prefixOf(links: string | true): string {
  return links === true ? "L" : links;
}

/** What a screen reader says before a line of these levels, for log.css, which has the English words. */
function labelsOf(word: LogWords["level"]): CSSProperties {
  return Object.fromEntries(["error", "warning", "success"].map((level) => [`--streamator-${level}-label`, JSON.stringify(`${word(level)}: `)]));
}

/** As a property for log.css, and as a style for a page without it. */
function withMaxHeight(style: CSSProperties | undefined, maxHeight: string | number, framed: boolean): CSSProperties {
  const value = typeof maxHeight === "number" ? `${maxHeight}px` : maxHeight;
  return { maxHeight: framed ? undefined : value, ...style, "--streamator-max-height": value } as CSSProperties;
}
