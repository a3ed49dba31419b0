/** The library without React. */
export { logStream, type LogSource } from "./logStream.js";
export { streamEvents, type EventsHandle, type StreamEventsOptions } from "./streamEvents.js";
export { BASE_EVENT_LABELS, makeFormatEvent, type EventLabel, type EventLabels } from "./formatEvent.js";
export type {
  FormatEvent,
  Formatted,
  JobOutcome,
  LogEntry,
  LogLevel,
  LogSnapshot,
  LogStreamOptions,
  StreamError,
  StreamErrorKind,
  StreamEvent,
  StreamHeaders,
  StreamMode,
  StreamStatus,
} from "./types.js";
