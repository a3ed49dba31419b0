"use client";

import * as React from "react";
import { useMemo, type CSSProperties, type ReactNode } from "react";
import { useNow } from "../hooks/useNow.js";
import { percentOf } from "../job/reducers.js";
import type { JobState } from "../job/types.js";
import { guard } from "../parts/guard.js";
import { HIDDEN } from "../parts/hidden.js";
import { Bar } from "./Bar.js";
import { durationText } from "./duration.js";

const STATES: Record<JobState, string> = {
  idle: "",
  starting: "Starting…",
  running: "Running…",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
  lost: "Lost",
};

type StageState = "done" | "current" | "stopped" | "pending";

const WORDS = {
  stages: "Stages",
  state: (state: JobState): string => STATES[state],
  stage: (stage: StageState): string => stage,
  percent: (percent: number): string => `${Math.floor(percent)} %`,
  /** Seconds since the job began. */
  elapsed: durationText,
};

/** All words of the panel. */
export type ProgressWords = typeof WORDS;

/** One of the steps that a job takes, in their order. */
export interface ProgressStage {
  /** The job's `step` (or `stage`) during this stage. */
  readonly id: string;
  readonly label: string;
  /** Shown in place of the stage's number. */
  readonly icon?: ReactNode;
}

export interface ProgressPanelProps {
  /** 0 to 100; null or undefined if unknown: then the bar only moves. */
  percent?: number | null;
  message?: ReactNode;
  /** The id of the current stage. */
  step?: string | null;
  stages?: readonly ProgressStage[];
  /** Default `"running"`. While `idle` there is no panel. */
  state?: JobState;
  /** When the job began, a Date or milliseconds since 1970. Default unknown: no time is shown. */
  startedAt?: Date | number | null;
  /** When the job ended. Default: it has not. */
  endedAt?: Date | number | null;
  className?: string;
  style?: CSSProperties;
  /** The accessible name of the bar, default "Progress". */
  "aria-label"?: string;
  /** The panel's words, in place of the English ones. */
  words?: Partial<ProgressWords>;
}

/** Shows a job's progress: its stages, a bar, its message and its elapsed time. */
export function ProgressPanel({
  percent: given,
  message,
  step = null,
  stages = [],
  state = "running",
  startedAt = null,
  endedAt = null,
  className,
  style,
  "aria-label": label = "Progress",
  words: ownWords,
}: ProgressPanelProps): React.ReactElement | null {
  const words = useMemo(() => ({ ...WORDS, ...ownWords }), [ownWords]);
  if (state === "idle") return null;

  const active = state === "starting" || state === "running";
  const percent = state === "completed" ? 100 : percentOf(given);
  const current = stages.findIndex(({ id }) => id === step);
  const stageOf = (index: number): StageState => {
    if (state === "completed" || index < current) return "done";
    if (index > current) return "pending";
    return active ? "current" : "stopped";
  };
  const stopped = !active && state !== "completed";
  const at = current === -1 ? "" : `${stages[current]?.label}: `;

  return (
    <div ref={guard} className={`streamator-panel streamator-progress streamator-progress--${state}${className ? ` ${className}` : ""}`} style={style}>
      {stages.length > 0 ? (
        <ol ref={guard} className="streamator-progress-stages" aria-label={words.stages}>
          {stages.map(({ id, label: name, icon }, index) => {
            const is = stageOf(index);
            return (
              <li key={id} className={`streamator-stage streamator-stage--${is}`} aria-current={is === "current" ? "step" : undefined}>
                <span className="streamator-stage-icon" aria-hidden="true">
                  {is === "stopped" ? "✕" : (icon ?? (is === "done" ? "✓" : index + 1))}
                </span>
                <span className="streamator-stage-label">{name}</span>
                <span style={HIDDEN}>{` (${words.stage(is)})`}</span>
              </li>
            );
          })}
        </ol>
      ) : null}
      <Bar percent={percent} label={label} active={active} text={percent === null ? words.state(state) : `${at}${words.percent(percent)}`} />
      <div ref={guard} className="streamator-progress-line">
        <span ref={guard} className="streamator-progress-message">
          {stopped || message === undefined || message === null ? <span className="streamator-progress-state">{words.state(state)}</span> : null}
          {stopped && message ? <span> · </span> : null}
          {message === undefined || message === null ? null : <span>{message}</span>}
        </span>
        {percent === null ? null : <span className="streamator-progress-percent" translate="no">{words.percent(percent)}</span>}
        {startedAt === null ? null : <Elapsed startedAt={Number(startedAt)} endedAt={endedAt === null ? null : Number(endedAt)} ticking={active} words={words} />}
      </div>
      {/* oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- an output is the result of a form */}
      <div role="status" style={HIDDEN}>
        {active ? (stages[current]?.label ?? words.state(state)) : words.state(state)}
      </div>
    </div>
  );
}

interface ElapsedProps {
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly ticking: boolean;
  readonly words: ProgressWords;
}

/** The elapsed time. A component of its own, so that a second renders nothing else. */
function Elapsed({ startedAt, endedAt, ticking, words }: ElapsedProps): React.ReactElement {
  const now = useNow(ticking && endedAt === null);
  const until = endedAt ?? now;
  return <span className="streamator-progress-elapsed" translate="no">{until === null ? "" : words.elapsed(Math.max(0, until - startedAt) / 1000)}</span>;
}
