/** `streamator-react/core`: the library without React. */
export { logStream, type LogSource } from "./logStream.js";
export { streamEvents, type EventsHandle, type StreamEventsOptions } from "./streamEvents.js";
export { BASE_EVENT_LABELS, makeFormatEvent, type EventLabel, type EventLabels } from "./formatEvent.js";
export type * from "../types.js";
