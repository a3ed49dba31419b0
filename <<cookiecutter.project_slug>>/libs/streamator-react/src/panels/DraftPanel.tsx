"use client";

import * as React from "react";
import { useMemo, useRef, useState, type CSSProperties, type ReactNode } from "react";
import { useEffectBeforePaint } from "../hooks/useLatest.js";
import { guard, useGuard } from "../parts/guard.js";
import { COPY_WORDS, TextActions } from "../parts/TextActions.js";
import { useFollowing } from "../scroll/useFollowing.js";

const WORDS = {
  waiting: "Nothing written yet…",
  /** The button that scrolls back to the end. */
  follow: "Follow",
  ...COPY_WORDS,
};

/** All words of the panel. */
export type DraftWords = typeof WORDS;

export interface DraftPanelProps {
  /** The text so far. */
  text: string;
  /** Whether it may still grow. */
  active: boolean;
  /** Shown above the text, beside the buttons. */
  title?: ReactNode;
  /** Shown while active and there is no text yet. Default "Nothing written yet…". */
  waitingText?: ReactNode;
  /** Renders the text, for instance as Markdown. Default: plain text. */
  renderText?: (text: string) => ReactNode;
  /** Any CSS length (a number is pixels). Default 160px, by `--streamator-max-height`. */
  maxHeight?: string | number;
  /** Whether to keep the end in view, until the reader scrolls away and after they return to it. Default true. */
  autoScroll?: boolean;
  /** Whether to show the buttons to copy and download. Default true. */
  toolbar?: boolean;
  /** The name that a download has. Default "draft.txt". */
  fileName?: string;
  className?: string;
  style?: CSSProperties;
  /** The accessible name, default "Draft". */
  "aria-label"?: string;
  /** The panel's words, in place of the English ones. */
  words?: Partial<DraftWords>;
}

/** Shows a text while it is written, its end in view. Null if there is no text and none may come. */
export function DraftPanel(props: DraftPanelProps): React.ReactElement | null {
  // Two components, so that the effects of the inner one start and end with its element.
  return props.active || props.text !== "" ? <Panel {...props} /> : null;
}

function Panel({
  text,
  active,
  title,
  waitingText,
  renderText,
  maxHeight,
  autoScroll = true,
  toolbar = true,
  fileName = "draft.txt",
  className,
  style,
  "aria-label": label = "Draft",
  words: ownWords,
}: DraftPanelProps): React.ReactElement {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  useGuard(scroller);
  useGuard(content);
  const words = useMemo(() => ({ ...WORDS, ...ownWords }), [ownWords]);
  // A finished text shows its beginning. One that grew follows its end, also with the last piece.
  const [grew, setGrew] = useState(active);
  if (active && !grew) setGrew(true);
  const { following, follower } = useFollowing(scroller, content, autoScroll && grew);
  useEffectBeforePaint(() => {
    follower.stick();
  }, [follower, text]);

  const limit = maxHeight === undefined ? undefined : typeof maxHeight === "number" ? `${maxHeight}px` : maxHeight;
  return (
    <div ref={guard} className={`streamator-panel streamator-draft${className ? ` ${className}` : ""}`} style={limit === undefined ? style : ({ ...style, "--streamator-max-height": limit } as CSSProperties)}>
      {title !== undefined || toolbar ? (
        <div className="streamator-draft-head">
          <div className="streamator-draft-title">{title}</div>
          {toolbar ? (
            <div className="streamator-draft-actions">
              <TextActions text={() => text} fileName={fileName} words={words} disabled={text === ""} />
            </div>
          ) : null}
        </div>
      ) : null}
      <div
        ref={scroller}
        className="streamator-draft-text"
        // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- a section is for more than a box that scrolls
        role="region"
        aria-label={label}
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard
        tabIndex={0}
      >
        <div ref={content} className={renderText ? undefined : "streamator-draft-plain"}>
          {text === "" ? <span className="streamator-draft-waiting">{waitingText ?? words.waiting}</span> : renderText ? renderText(text) : <GrowingText text={text} />}
        </div>
        {active && autoScroll && !following ? (
          <div className="streamator-draft-jump">
            <button type="button" onClick={() => follower.resume()}>
              <span>{`↓ ${words.follow}`}</span>
            </button>
          </div>
        ) : null}
      </div>
    </div>
  );
}

/** Appends new text to the text node: if React set the whole text, a selection would be lost. A translated text is replaced. */
function GrowingText({ text }: { readonly text: string }): React.ReactElement {
  const element = useRef<HTMLSpanElement>(null);
  const [first] = useState(text);
  useEffectBeforePaint(() => {
    const parent = element.current as HTMLSpanElement;
    const { data = null } = parent.firstChild as Partial<Text>;
    if (parent.childNodes.length === 1 && data !== null && text.startsWith(data)) (parent.firstChild as Text).appendData(text.slice(data.length));
    else parent.textContent = text;
  }, [text]);
  return <span ref={element}>{first}</span>;
}
