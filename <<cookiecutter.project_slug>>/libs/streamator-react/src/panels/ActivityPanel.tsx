"use client";

import * as React from "react";
import { useMemo, type CSSProperties, type ReactNode } from "react";
import { useNow } from "../hooks/useNow.js";
import { type Activity, percentOf } from "../job/reducers.js";
import { boxed, guard } from "../parts/guard.js";
import { Bar } from "./Bar.js";
import { durationText } from "./duration.js";

const WORDS = {
  status: (status: string): string => status,
  /** Seconds since the last sign of life. */
  age: (seconds: number): string => (seconds < 1 ? "now" : `${durationText(seconds)} ago`),
  stale: (seconds: number): string => `no sign for ${durationText(seconds)}`,
  empty: "Nobody is at work.",
};

/** All words of the panel. */
export type ActivityWords = typeof WORDS;

export interface ActivityPanelProps<Item extends Activity = Activity> {
  /** One lane each, in this order. */
  activities: readonly Item[];
  /** A lane without a sign of life for this many seconds is greyed out, unless its status is one of `resting`. Default 30. */
  staleSeconds?: number;
  /** Statuses without signs of life. Default `idle`, `completed`, `failed`, `cancelled`. */
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

const AT_REST: readonly string[] = ["idle", "completed", "failed", "cancelled"];
const COLOURS = new Set(["running", "completed", "failed"]);

/** Shows a lane for each agent, worker or thread: what it does, its progress, and its last sign of life. */
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
                // Empty on a server: its clock and its time zone differ from the browser's.
                <time className="streamator-lane-age" dateTime={age === null ? undefined : new Date(heard).toISOString()}>
                  {age === null ? "" : stale ? words.stale(age) : words.age(age)}
                </time>
              )}
            </div>
            <div className="streamator-lane-message">{message}</div>
            {percent === null ? null : <Bar percent={percent} label={name} />}
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
