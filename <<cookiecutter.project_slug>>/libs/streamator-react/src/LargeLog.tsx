import * as React from "react";
import { useCallback, useRef, type CSSProperties, type Dispatch, type SetStateAction } from "react";
import { Anchor, placeIn, putBack } from "./Anchor.js";
import { useEffectBeforePaint } from "./beforePaint.js";
import { FEW, type IsCut, type LogBlock } from "./blocks.js";
import { BlockText } from "./BlockText.js";
import { guard } from "./guard.js";
import { LogRows } from "./LogBlock.js";
import type { LinesState, PanelState } from "./panel.js";
import { makeLookStacker, windowOf, type Stack, type Stacker } from "./stack.js";
import { useCentred } from "./useCentred.js";
import { useCopy } from "./useCopy.js";
import { useKeys } from "./useKeys.js";
import { useLatest } from "./useLatest.js";
import { useSelectedBlocks, type SelectedBlocks } from "./useSelectedBlocks.js";
import { useSight } from "./useSight.js";
import { ALL, blocksIn, groupsNear, isText, lineHeightOf, rowsNear, UNSEEN, viewOf, type View } from "./view.js";

/** The most rows of a window: as many as a tall screen shows, though nothing may be laid out to count them. */
const MOST_ROWS = 120;

/** What a panel knows of what the reader sees, and its own memory of how high its lines are. */
export interface Near {
  readonly view: View;
  /** The end is what is in view, however many lines come. Kept with the view: one without the other has no rows where the reader is. */
  readonly atEnd: boolean;
  readonly selected: SelectedBlocks;
  readonly stacked: Stacker;
}

/** Before anything was measured. */
export const begin = (): Near => ({ view: UNSEEN, atEnd: true, selected: [], stacked: makeLookStacker() });

/** How a log is drawn, so that a large one costs no more than what is seen of it. */
export interface Plan {
  /** What writes a block as text; undefined: it has rows. */
  readonly textOf: (block: LogBlock) => typeof BlockText | undefined;
  /** What stands in place of the blocks; null for the blocks, and then there is no stack. */
  readonly window: React.ReactElement | null;
  readonly stack: Stack | null;
  readonly style: CSSProperties | undefined;
  /** The place of the target in the lines that are shown; -1 for none. */
  readonly current: number;
  /** The element of a line; null where it has none just now. */
  readonly elementOf: (content: Element, index: number) => Element | null;
  readonly rowsNear: typeof rowsNear;
}

/** Whether some lines are near what the reader sees: by the keys of their blocks, in this range, or by their places; `current` is the target's. */
function nearer(shown: LinesState["shown"], current: number, { view, atEnd }: Near, [first, last]: readonly [number, number]): IsCut {
  return (key, until, from, end) =>
    shown.length <= FEW || (atEnd && view !== ALL ? end > shown.length - view.lines : key <= last && until >= first) || (current >= from && current < end);
}

/** Which groups are cut into blocks. Those of a selection stay as they are. */
export function cutOf({ shown, target }: Pick<LinesState, "shown" | "target">, near: Near): IsCut {
  const isSeen = nearer(shown, target ? shown.indexOf(target.entry) : -1, near, near.view.groups);
  return (key, until, from, end) => {
    const selected = near.selected.find((block) => block.key <= until && block.last >= key);
    return selected ? selected.key === selected.last : isSeen(key, until, from, end);
  };
}

export function planOf({ shown, blocks, windowed, look, named, target, renderEntry }: LinesState, near: Near): Plan {
  const { view, atEnd, selected, stacked } = near;
  const current = target ? shown.indexOf(target.entry) : -1;
  if (!windowed) {
    const isSeen = nearer(shown, current, near, [view.first, view.last]);
    return {
      textOf: ({ key, last, start, lines }) =>
        (selected.find((block) => block.key === key)?.rows ?? (key === last && isSeen(key, last, start, start + lines.length))) ? undefined : BlockText,
      window: null,
      stack: null,
      style: undefined,
      current,
      rowsNear,
      elementOf(content, index) {
        const place = blocks.findIndex(({ start, lines }) => index >= start && index < start + lines.length);
        const block = blocksIn(content)[place];
        return block && !isText(block) ? (block.children[index - (blocks[place]?.start ?? 0)] ?? block) : (block ?? null);
      },
    };
  }
  const stack = stacked(shown, look, renderEntry !== undefined);
  const rows = Math.min(view.lines, MOST_ROWS);
  const firstRow = Math.max(0, Math.min(atEnd && view !== ALL ? stack.total : view.first, stack.total - rows));
  const first = stack.at(firstRow);
  const drawn = shown.slice(first, stack.at(firstRow + rows - 1) + 1);
  return {
    textOf: () => undefined,
    window: (
      <div ref={guard} className="streamator-log-window" style={{ transform: `translateY(${stack.top(first) * 1.5}em)` }}>
        <LogRows lines={drawn} start={first} look={look} named={named} renderEntry={renderEntry} />
      </div>
    ),
    stack,
    style: { height: `${stack.total * 1.5}em` },
    current,
    rowsNear,
    elementOf: (content, index) => content.querySelector(".streamator-log-window")?.children[index - first] ?? null,
  };
}

export interface ReaderProps {
  readonly panel: PanelState;
  /** Null before the first measurement. */
  readonly plan: Plan | null;
  readonly near: Near | null;
  readonly setNear: Dispatch<SetStateAction<Near | null>>;
}

/** Sees what the reader sees, keeps it where it is, and leads to lines. It draws nothing, and comes after the log, so that its effects do. */
export function Reader({ panel, plan, near, setNear }: ReaderProps): React.ReactElement {
  const { scroller, content, follower, following, shown, blocks, windowed, look, wrap, target } = panel;
  const stack = plan?.stack ?? null;
  const learn = useCallback(
    (news: Partial<Near>) =>
      setNear((before) => {
        const next = { ...(before ?? begin()), ...news };
        return before && before.atEnd === next.atEnd && isSame(before.view, next.view) && isSame(before.selected, next.selected) ? before : next;
      }),
    [setNear],
  );
  // A browser lays out a block once it is in view, and Firefox and WebKit let what is below move then: what is near is laid out before.
  const laidOut = useRef<{ readonly [kind in "groups" | "blocks"]: readonly HTMLElement[] }>({ groups: [], blocks: [] });
  const layOut = (kind: "groups" | "blocks", wanted: readonly HTMLElement[]): void => {
    const before = laidOut.current[kind];
    const [come, gone] = [wanted.filter((element) => !before.includes(element)), before.filter((element) => !wanted.includes(element))];
    if (come.length + gone.length === 0) return;
    const place = following ? null : placeIn(panel);
    for (const element of come) element.style.contentVisibility = "visible";
    for (const element of gone) element.style.contentVisibility = "";
    laidOut.current = { ...laidOut.current, [kind]: wanted };
    putBack(place, panel);
  };
  const measure = useLatest(() => {
    const [log, inner] = [scroller.current, content.current];
    if (!log || !inner) return;
    if (!stack) layOut("groups", following ? [] : groupsNear(log, inner)); // or their blocks have no place
    const view = stack ? windowOf(log, inner, stack.total) : viewOf(log, inner, blocks);
    if (!stack) layOut("blocks", following ? [] : [...blocksIn(inner)].filter((_, place) => isNear(blocks[place], view)));
    learn({ view, atEnd: following });
  });
  useSight(panel, measure);
  useSelectedBlocks(panel, (selected) => learn({ selected }));
  useCopy(panel);
  const current = (): Element | null => plan && content.current && plan.elementOf(content.current, plan.current);
  useKeys(panel, current);
  const boxOf = (): { readonly top: number; readonly height: number } | null => {
    const inner = content.current;
    if (!plan || !inner || plan.current === -1) return null;
    if (!stack) {
      const element = current();
      for (const [kind, name] of [["groups", ".streamator-log-group"], ["blocks", ".streamator-log-block"]] as const) {
        const around = element?.closest<HTMLElement>(name);
        if (around) layOut(kind, [...new Set([...laidOut.current[kind], around])]);
      }
      return element?.getBoundingClientRect() ?? null;
    }
    const height = lineHeightOf(inner);
    const top = stack.top(plan.current);
    return { top: inner.getBoundingClientRect().top + top * height, height: (stack.top(plan.current + 1) - top) * height };
  };
  useCentred(panel, plan ? boxOf : undefined);
  // While it follows, the view is at the end: once the panel is full there is nothing to measure.
  const settled = following && blocks.length > 2;
  const isWindow = stack !== null;
  const isAway = near?.atEnd === false;
  useEffectBeforePaint(() => {
    if (!settled) measure();
    else if (isAway) learn({ atEnd: true });
  }, [blocks, settled, isAway, look, wrap, target, isWindow, measure, learn]);

  return <Anchor scroller={scroller} content={content} follower={follower} off={following || windowed} of={[shown, near?.view, look, wrap]} />;
}

function isNear(block: LogBlock | undefined, { first, last }: View): boolean {
  return block !== undefined && block.key >= first && block.key <= last;
}

/** Whether two plain values are alike. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
