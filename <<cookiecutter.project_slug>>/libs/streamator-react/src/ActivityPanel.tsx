"use client";

import * as React from "react";
import { useMemo, type CSSProperties, type ReactNode } from "react";
import type { Activity } from "./activity.js";
import { boxed, guard } from "./guard.js";
import { percentOf } from "./jobEvents.js";
import { durationText, useNow } from "./useNow.js";

/** Every word that the panel shows or says. */
export interface ActivityWords {
  status: (status: string) => string;
  /** Seconds since the last sign of life. */
  age: (seconds: number) => string;
  stale: (seconds: number) => string;
  empty: string;
}

export interface ActivityPanelProps<Item extends Activity = Activity> {
  /** One lane each, in this order. */
  activities: readonly Item[];
  /** Seconds without a sign of life after which one that owes them is greyed out. Default 30. */
  staleSeconds?: number;
  /** Statuses in which no signs of life are due. Default `idle`, `completed`, `failed`, `cancelled`. */
  resting?: readonly string[];
  /** Milliseconds by which this browser's clock is ahead of the one that `updatedAt` was read from. Default 0. */
  clockSkew?: number;
  /** Shown below a lane. */
  renderDetails?: (activity: Item) => ReactNode;
  className?: string;
  style?: CSSProperties;
  /** The accessible name, default "Activity". */
  "aria-label"?: string;
  /** The panel's words, in place of the English ones. */
  words?: Partial<ActivityWords>;
}

const WORDS: ActivityWords = {
  status: (status) => status,
  age: (seconds) => (seconds < 1 ? "now" : `${durationText(seconds)} ago`),
  stale: (seconds) => `no sign for ${durationText(seconds)}`,
  empty: "Nobody is at work.",
};

const AT_REST: readonly string[] = ["idle", "completed", "failed", "cancelled"];
const COLOURS = new Set(["running", "completed", "failed"]);

/** A lane for each of those at work: what it does, how far it is, when it was heard of last. */
export function ActivityPanel<Item extends Activity = Activity>({
  activities,
  staleSeconds = 30,
  resting = AT_REST,
  clockSkew = 0,
  renderDetails,
  className,
  style,
  "aria-label": label = "Activity",
  words: ownWords,
}: ActivityPanelProps<Item>): React.ReactElement {
  const words = useMemo(() => ({ ...WORDS, ...ownWords }), [ownWords]);
  const now = useNow(activities.length > 0);
  return (
    <ul ref={guard} className={`streamator-panel streamator-activity${className ? ` ${className}` : ""}`} style={style} aria-label={label}>
      {activities.length === 0 ? <li className="streamator-activity-empty">{words.empty}</li> : null}
      {activities.map((activity) => {
        const { id, name, status, message, progress, updatedAt, source } = activity;
        const heard = timeOf(updatedAt);
        const age = heard === null || now === null ? null : Math.max(0, now - clockSkew - heard) / 1000;
        const stale = age !== null && age > staleSeconds && !resting.includes(status);
        const percent = percentOf(progress);
        return (
          <li key={id} ref={guard} className={`streamator-lane${COLOURS.has(status) ? ` streamator-lane--${status}` : ""}${stale ? " streamator-lane--stale" : ""}`}>
            <div ref={guard} className="streamator-lane-head">
              <span className="streamator-lane-name">{name}</span>
              <span className="streamator-lane-status">{words.status(status)}</span>
              {source ? <span className="streamator-lane-source">{source}</span> : null}
              {heard === null ? null : (
                // Empty on a server: an age needs a clock, and a date without a zone is another one there.
                <time className="streamator-lane-age" dateTime={age === null ? undefined : new Date(heard).toISOString()}>
                  {age === null ? "" : stale ? words.stale(age) : words.age(age)}
                </time>
              )}
            </div>
            <div className="streamator-lane-message">{message}</div>
            {percent === null ? null : (
              // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- a progress element cannot be styled the same everywhere
              <div className="streamator-bar" role="progressbar" aria-label={name} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
                <div style={{ inlineSize: `${percent}%` }} />
              </div>
            )}
            {boxed(renderDetails?.(activity))}
          </li>
        );
      })}
    </ul>
  );
}

function timeOf(value: Activity["updatedAt"]): number | null {
  if (value === undefined || value === null) return null;
  const time = new Date(value).getTime();
  return Number.isNaN(time) ? null : time;
}
