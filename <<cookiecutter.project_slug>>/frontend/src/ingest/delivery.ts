import type { StreamMode } from "streamator-react";

/** How open logs get their lines, by what the user chooses. */
export const MODES = { stream: "sse", socket: "ws", poll: "poll" } as const satisfies Record<string, StreamMode>;

export type Delivery = keyof typeof MODES;
