"use client";

import * as React from "react";
import { useMemo, useRef, useState, type CSSProperties, type ReactNode } from "react";
import { levelOf } from "../core/formatEvent.js";
import { useEffectBeforePaint } from "../hooks/useLatest.js";
import { useInPage } from "../hooks/useNow.js";
import { guard, useGuard } from "../parts/guard.js";
import { useFollowing } from "../scroll/useFollowing.js";
import type { JobAttempt, LogEntry } from "../types.js";
import { FEW, groupsOf, makeCutter } from "./blocks.js";
import type { Near } from "./large.js";
import { countAfter, isRule, lineOf, type LineLook, type LogTime, type PanelEntry } from "./line.js";
import { LogBlock } from "./LogBlock.js";
import { LogSummary } from "./LogSummary.js";
import type { LogChoice } from "./LogToolbar.js";
import type { LinesState, PanelState, Target } from "./panel.js";
import { ansiPart, largePart, toolbarPart, usePart } from "./parts.js";
import type { LogWords } from "./toolWords.js";
import { WORDS, type ConnectionView } from "./words.js";

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
   * Renders a line in place of the default row, as one element; a text is put into a `div`. Keep the function stable: a new
   * one renders all lines again.
   */
  renderEntry?: (entry: Entry, index: number) => ReactNode;
  /** Whether to keep the newest line in view, until the reader scrolls away and after they return to the end. Default true. */
  autoScroll?: boolean;
  /** The accessible name, default "Job log". */
  "aria-label"?: string;
  /** Whether to show tools: find, filter by level, time, wrap, copy and download. Default false. */
  toolbar?: boolean;
  /** The hook's result, to show the state of the connection in a line below the log. Default none. */
  connection?: ConnectionView;
  /**
   * `blocks` (default) keeps every line in the document, for the browser's own find, select-all and copy. `window` keeps only
   * the rows in view: for more than 200,000 lines, and for screen readers that many lines slow down. In a window lines do not
   * wrap, and a row by `renderEntry` is one line high.
   */
  renderer?: "blocks" | "window";
  /** The time that lines show at first: since the job began, of day (needs `startedAt`), or none. Default `elapsed`. */
  time?: LogTime;
  /** When the job began: a Date, or milliseconds since 1970. Default unknown: no time of day. */
  startedAt?: Date | number | null;
  /** The `attempts` of `useJob`: when each began, for the time of day. Without it the lines of later attempts have seconds. */
  attempts?: readonly Pick<JobAttempt, "attempt" | "startedAt">[];
  /**
   * The attempt of the job to show alone; null: all. An attempt without lines: all. Default: the reader's choice in the
   * toolbar, all at first.
   */
  attempt?: number | null;
  /** Called with the reader's choice of an attempt; null: all. */
  onAttempt?: (attempt: number | null) => void;
  /** Whether long lines wrap at first. Default true; rows of a window do not. */
  wrap?: boolean;
  /** Whether to show lines as a terminal would: with colours, and progress bars in their last state. Default false. */
  ansi?: boolean;
  /**
   * Whether to number the lines and link them: `#L123` leads to line 123. A string replaces "L". For pages whose hashes are
   * routes: a stable function that returns a line's address, with `linkedLine` for the line in the page's address. Default false.
   */
  lineLinks?: boolean | string | ((line: number) => string);
  /** The number of the line to show and mark. Default: the one that `lineLinks` reads from the page's address. */
  linkedLine?: number | null;
  /** Whether to announce from time to time to screen readers how many lines came, errors first. Default true. */
  summary?: boolean;
  /** The name that a download has. Default "log.txt". */
  fileName?: string;
  /** The panel's words, in place of the English ones. Keep the object stable. */
  words?: Partial<LogWords>;
}

/**
 * Shows a log: one row per line, the newest in view. Null if there is no line and none may come.
 *
 * Texts are never markup. Lines are in memoised blocks; far from the view, a thousand of them are one text node. So a new
 * line renders the rows of its own block at most, and a hundred thousand lines take a few hundred nodes.
 *
 * A log of several attempts is divided by them: the first line of each is a rule.
 */
export function LogPanel<Entry extends PanelEntry = LogEntry>(props: LogPanelProps<Entry>): React.ReactElement | null {
  // Two components, so that the effects of the inner one start and end with its element.
  // With a frame the log's element is another one: the key restarts what listens to it.
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
  startedAt: began = null,
  attempts,
  attempt,
  onAttempt,
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
  useGuard(scroller);
  useGuard(content);

  const words = useMemo(() => ({ ...WORDS, ...ownWords }), [ownWords]);
  const windowed = renderer === "window";
  const framed = toolbar || connection !== undefined;
  const prefix = lineLinks === true ? "L" : lineLinks;
  const [addressed, setAddressed] = useState<number | null>(null);
  const named = linkedLine === undefined ? addressed : linkedLine;

  const terminals = usePart(ansiPart, ansi);
  const terminal = useMemo(() => terminals?.makeTerminal() ?? null, [terminals]);
  const ansiView = useMemo(() => terminal?.(logs) ?? null, [terminal, logs]);

  const [choice, setChoice] = useState<LogChoice>(AS_GIVEN);
  const time = choice.time ?? initialTime;
  const wrap = !windowed && (choice.wrap ?? initialWrap);
  const inPage = useInPage();
  const startedAt = began === null ? null : inPage || time !== "wall" ? Number(began) : Number.NaN;
  const starts = time === "wall" ? attempts : undefined; // a change renders all rows again
  const [whole, setWhole] = useState<ReadonlySet<PanelEntry>>(NONE);
  const [showWhole] = useState(() => (entry: PanelEntry) => setWhole((before) => new Set(before).add(entry)));
  const look = useMemo<LineLook>(() => {
    const links = typeof prefix === "string" ? (line: number) => `#${prefix}${line}` : prefix || null;
    return { time, startedAt, attempts: starts, ansi: ansiView, links, whole, showWhole, words };
  }, [time, startedAt, starts, ansiView, prefix, whole, showWhole, words]);

  const alone = attempt === undefined ? choice.attempt : attempt;
  const own = useMemo(() => linesOf(logs, alone), [logs, alone]);
  const { hidden } = choice;
  const shown = useMemo(() => (hidden.length === 0 ? own : own.filter((entry) => isRule(entry) || !hidden.includes(levelOf(entry.level)))), [own, hidden]);
  const choose = (next: LogChoice): void => {
    setChoice(next);
    if (next.attempt !== alone) onAttempt?.(next.attempt);
  };

  // Until this is loaded, only the newest lines are rendered. If it fails to load, it is tried again every 1,000 lines.
  const large = usePart(largePart, 1 + Math.floor(shown.length / FEW));
  const [near, setNear] = useState<Near | null>(() => large && large.begin());
  const from = near === null ? Math.max(0, shown.length - FEW) : windowed ? shown.length : 0;
  const [cut] = useState(makeCutter);
  const [target, setTarget] = useState<Target | null>(null);
  const blocks = useMemo(() => cut(shown, from, large && near ? large.cutOf({ shown, target }, near) : undefined), [cut, shown, from, large, near, target]);

  const lastLine = lineOf(shown, shown.length - 1);
  const [left, setLeft] = useState(0); // the last line when the reader scrolled away
  const { following, follower } = useFollowing(scroller, content, autoScroll, (now) => {
    if (now) setTarget(null);
    else setLeft(lastLine);
  });
  const fresh = following || !autoScroll ? 0 : countAfter(shown, left);

  const lines: LinesState = { shown, blocks, windowed, look, wrap, renderEntry, named, following, target };
  const plan = large && near && large.planOf(lines, near);
  const panel: PanelState = { ...lines, scroller, content, follower, setTarget };

  useEffectBeforePaint(() => {
    follower.stick();
  }, [follower, shown, near, look, wrap]);

  const tools = usePart(toolbarPart, framed || look.links !== null || named !== null);

  const outer = { className: className ? ` ${className}` : "", style: maxHeight === undefined ? style : withMaxHeight(style, maxHeight, framed) };
  const labels = ownWords?.level && labelsOf(ownWords.level);

  const log = (
    <div
      ref={scroller}
      className={`streamator-log${wrap ? "" : " streamator-log--nowrap"}${framed ? "" : outer.className}`}
      style={framed ? labels : { ...outer.style, ...labels }}
      role="log"
      aria-label={label}
      // Otherwise screen readers would announce every line of a log.
      aria-live="off"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
      tabIndex={0}
    >
      <div ref={content} className="streamator-log-content" style={plan?.style}>
        {logs.length === 0 ? <div className="streamator-log-waiting log-waiting">{waitingText ?? words.waiting}</div> : null}
        {plan?.window ??
          Object.entries(groupsOf(blocks)).map(([group, members]) => (
            <div key={group} ref={guard} className="streamator-log-group" style={{ "--streamator-rows": members.reduce((sum, block) => sum + block.lines.length, 0) } as CSSProperties}>
              {members.map((block) => (
                <LogBlock
                  key={block.key === block.last ? block.key : "group"}
                  lines={block.lines}
                  start={renderEntry || block.lines[0]?.line === undefined ? block.start : 0}
                  Text={plan?.textOf(block)}
                  look={look}
                  named={named}
                  renderEntry={renderEntry}
                />
              ))}
            </div>
          ))}
      </div>
      {fresh > 0 ? (
        <div className="streamator-log-jump">
          <button type="button" onClick={() => follower.resume()}>
            <span>{`↓ ${words.newLines(fresh)}`}</span>
          </button>
        </div>
      ) : null}
    </div>
  );
  const rest = (
    <>
      {large ? <large.Reader panel={panel} plan={plan} near={near} setNear={setNear} /> : null}
      {tools ? <tools.NamedLine panel={panel} prefix={linkedLine === undefined && typeof prefix === "string" ? prefix : null} setAddressed={setAddressed} /> : null}
      {summary ? <LogSummary logs={logs} active={active} words={words} /> : null}
    </>
  );
  if (!framed) {
    return (
      <>
        {log}
        {rest}
      </>
    );
  }
  // Empty elements reserve the space of what is not loaded yet.
  return (
    <div className={`streamator-log-frame${outer.className}`} style={outer.style}>
      {toolbar ? (
        tools ? (
          <tools.LogToolbar panel={panel} plan={plan} words={words} logs={own} all={logs} choice={{ ...choice, attempt: alone }} onChoice={choose} fileName={fileName} />
        ) : (
          <div className="streamator-log-toolbar" />
        )
      ) : null}
      {log}
      {connection ? tools ? <tools.ConnectionLine connection={connection} words={words} /> : <div className="streamator-log-connection" /> : null}
      {rest}
    </div>
  );
}

const AS_GIVEN: LogChoice = { time: null, wrap: null, hidden: [], attempt: null };

/** The lines of an attempt; all for null, and if it has none. */
function linesOf(logs: readonly PanelEntry[], alone: number | null): readonly PanelEntry[] {
  const own = alone === null ? [] : logs.filter(({ attempt = 1 }) => attempt === alone);
  return own.length > 0 ? own : logs;
}

const NONE: ReadonlySet<PanelEntry> = new Set();

/** The words that a screen reader says before a line of these levels. log.css has the English ones. */
function labelsOf(word: LogWords["level"]): CSSProperties {
  return Object.fromEntries(["error", "warning", "success"].map((level) => [`--streamator-${level}-label`, JSON.stringify(`${word(level)}: `)]));
}

/** The height as a property for log.css, and as a style for a page without it. */
function withMaxHeight(style: CSSProperties | undefined, maxHeight: string | number, framed: boolean): CSSProperties {
  const value = typeof maxHeight === "number" ? `${maxHeight}px` : maxHeight;
  return { maxHeight: framed ? undefined : value, ...style, "--streamator-max-height": value } as CSSProperties;
}
