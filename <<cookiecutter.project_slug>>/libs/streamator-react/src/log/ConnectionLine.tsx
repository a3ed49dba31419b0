import * as React from "react";
import { useNow } from "../hooks/useNow.js";
import { connectionText, type LogWords, TOOL_WORDS } from "./toolWords.js";
import type { ConnectionView } from "./words.js";

/** Shows the state of the connection. It is always one line high, so that nothing moves. */
export function ConnectionLine({ connection, words }: { readonly connection: ConnectionView; readonly words: Partial<LogWords> }): React.ReactElement {
  const now = useNow(connection.retryAt !== null, 500);
  const text = connectionText(connection, { ...TOOL_WORDS, ...words }, now);
  return (
    <div className={`streamator-log-connection streamator-log-connection--${connection.status}`} title={text}>
      {text}
    </div>
  );
}
