import * as React from "react";
import { useCallback, useRef, type CSSProperties, type Dispatch, type SetStateAction } from "react";
import { useEffectBeforePaint, useLatest } from "../hooks/useLatest.js";
import { guard } from "../parts/guard.js";
import { Anchor, placeIn, putBack } from "./Anchor.js";
import { FEW, type IsCut, type LogBlock } from "./blocks.js";
import { BlockText } from "./BlockText.js";
import { LogRows } from "./LogBlock.js";
import type { LinesState, PanelState } from "./panel.js";
import { makeStacker, windowOf, type Stack, type Stacker } from "./stack.js";
import { useCentred } from "./useCentred.js";
import { useCopy } from "./useCopy.js";
import { useKeys } from "./useKeys.js";
import { useSelectedBlocks, type SelectedBlocks } from "./useSelectedBlocks.js";
import { useSight } from "./useSight.js";
import { ALL, blocksIn, groupsNear, isText, lineHeightOf, rowsNear, UNSEEN, viewOf, type View } from "./view.js";

/** The most rows of a window: as many as a tall screen shows. */
const MOST_ROWS = 120;

/** What a panel knows of its view. */
export interface Near {
  readonly view: View;
  /** Whether the end is in view. It changes together with `view`, or the reader would see no rows for a moment. */
  readonly atEnd: boolean;
  readonly selected: SelectedBlocks;
  readonly stacked: Stacker;
}

/** The state before the first measurement. */
export const begin = (): Near => ({ view: UNSEEN, atEnd: true, selected: [], stacked: makeStacker() });

/** How to render a log, so that a large one costs no more than its rows in view. */
export interface Plan {
  /** The component that writes a block as text; undefined: the block has rows. */
  readonly textOf: (block: LogBlock) => typeof BlockText | undefined;
  /** Replaces the blocks; null: render the blocks, and there is no stack. */
  readonly window: React.ReactElement | null;
  readonly stack: Stack | null;
  readonly style: CSSProperties | undefined;
  /** The index of the target in the shown lines; -1 for none. */
  readonly current: number;
  /** The element of a line; null if it has none now. */
  readonly elementOf: (content: Element, index: number) => Element | null;
  readonly rowsNear: typeof rowsNear;
}

/** Which blocks are near the view: those with keys in the range, or at the end those with one of the last lines; and the one that holds `current`. */
function nearer(shown: LinesState["shown"], current: number, { view, atEnd }: Near, [first, last]: readonly [number, number]): IsCut {
  return (key, until, from, end) =>
    shown.length <= FEW || (atEnd && view !== ALL ? end > shown.length - view.lines : key <= last && until >= first) || (current >= from && current < end);
}

/** Which groups to cut into blocks. A group with an end of the selection stays as it is. */
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

/** Measures the view, holds its first line in place, and scrolls to lines. It renders nothing. It comes after the log, so that its effects run last. */
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
  // Browsers lay out a block when it comes into view, and in Firefox and WebKit the lines below then move. So blocks near
  // the view are laid out before.
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
    if (!stack) layOut("groups", following ? [] : groupsNear(log, inner)); // a block in a group without layout has no position
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
  // While a full panel follows, its view is the end: there is nothing to measure.
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

/** Whether two plain values are equal. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
