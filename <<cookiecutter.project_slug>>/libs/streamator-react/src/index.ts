export { useLogStream } from "./useLogStream.js";
export { LogPanel } from "./LogPanel.js";
export { BASE_EVENT_LABELS, makeFormatEvent } from "./formatEvent.js";
export type { LogPanelProps } from "./LogPanel.js";
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
