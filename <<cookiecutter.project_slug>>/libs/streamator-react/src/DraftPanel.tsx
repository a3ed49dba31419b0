"use client";

import * as React from "react";
import { useMemo, useRef, useState, type CSSProperties, type ReactNode } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { guard } from "./guard.js";
import { TextActions } from "./TextActions.js";
import { useFollowing } from "./useFollowing.js";

/** Every word that the panel shows or says. */
export interface DraftWords {
  waiting: string;
  /** Leads to the end of a text that the reader has scrolled away from. */
  follow: string;
  copy: string;
  copied: string;
  notCopied: string;
  download: string;
}

export interface DraftPanelProps {
  /** The text so far. */
  text: string;
  /** Whether it may still grow. */
  active: boolean;
  /** Stands above the text, beside the buttons. */
  title?: ReactNode;
  /** Shown while active and there is no text yet. Default "Nothing written yet…". */
  waitingText?: ReactNode;
  /** Draws the text in place of plain text, Markdown for instance. */
  renderText?: (text: string) => ReactNode;
  /** Any CSS length (a number is pixels). Default 160px, by `--streamator-max-height`. */
  maxHeight?: string | number;
  /** Keep the end in view until the reader scrolls away; again when they return to it. Default true. */
  autoScroll?: boolean;
  /** Copy and download. Default true. */
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

const WORDS: DraftWords = {
  waiting: "Nothing written yet…",
  follow: "Follow",
  copy: "Copy",
  copied: "Copied",
  notCopied: "Not copied",
  download: "Download",
};

/** Shows a text while it is written, its end in view. Null when there is neither text nor the prospect of any. */
export function DraftPanel(props: DraftPanelProps): React.ReactElement | null {
  // Two components, so that the effects of the inner one start with its element and end with it.
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
  const words = useMemo(() => ({ ...WORDS, ...ownWords }), [ownWords]);
  // A text that was finished before is read from its beginning; of one that grew, the last piece may come with the end.
  const [grew, setGrew] = useState(active);
  if (active && !grew) setGrew(true);
  const { following, follower } = useFollowing(scroller, content, autoScroll && grew, nothing);
  useEffectBeforePaint(() => {
    follower.stick();
  }, [follower, text]);
  useEffectBeforePaint(() => {
    guard(scroller.current);
    guard(content.current);
  }, []);

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

/** Appends what is new: in a text that is set anew, as React would, a selection is lost. A translator's words are set anew. */
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

function nothing(): void {
  // the buttons show it
}
