export { useLogStream } from "./useLogStream.js";
export { StreamDefaults, type SharedOptions } from "./streamDefaults.js";
export { LogPanel } from "./LogPanel.js";
export { streamEvents } from "./streamEvents.js";
export { useJob } from "./useJob.js";
export { ProgressPanel } from "./ProgressPanel.js";
export { DraftPanel } from "./DraftPanel.js";
export { ActivityPanel } from "./ActivityPanel.js";
export { activitiesAfter } from "./activity.js";
export { draftAfter, progressAfter } from "./jobEvents.js";
export { BASE_EVENT_LABELS, makeFormatEvent } from "./formatEvent.js";
export { guard } from "./guard.js";
export type { LogPanelProps } from "./LogPanel.js";
export type { EventsHandle, StreamEventsOptions } from "./streamEvents.js";
export type { Job } from "./useJob.js";
export type { JobError, JobErrorKind, JobOptions, JobRequest, JobSnapshot, JobStart, JobState } from "./jobRun.js";
export type { JobProgress } from "./jobEvents.js";
export type { ProgressPanelProps, ProgressStage, ProgressWords } from "./ProgressPanel.js";
export type { DraftPanelProps, DraftWords } from "./DraftPanel.js";
export type { ActivityPanelProps, ActivityWords } from "./ActivityPanel.js";
export type { Activity } from "./activity.js";
export type { LogTime, PanelEntry } from "./line.js";
export type { LevelCounts } from "./levels.js";
export type { ConnectionView, LogWords } from "./words.js";
export type { EventLabel, EventLabels } from "./formatEvent.js";
export type {
  FormatEvent,
  Formatted,
  JobOutcome,
  LogEntry,
  LogLevel,
  LogSnapshot,
  LogStream,
  LogStreamOptions,
  StreamError,
  StreamErrorKind,
  StreamEvent,
  StreamHeaders,
  StreamMode,
  StreamStatus,
} from "./types.js";
