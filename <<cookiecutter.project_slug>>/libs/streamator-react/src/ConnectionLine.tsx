import * as React from "react";
import { useNow } from "./useNow.js";
import { connectionText, type ConnectionView, type LogWords } from "./words.js";

/** One line that tells the state of the connection. It is always one line high, so that nothing moves. */
export function ConnectionLine({ connection, words }: { readonly connection: ConnectionView; readonly words: LogWords }): React.ReactElement {
  const now = useNow(connection.retryAt !== null, 500);
  const text = connectionText(connection, words, now);
  return (
    <div className={`streamator-log-connection streamator-log-connection--${connection.status}`} title={text}>
      {text}
    </div>
  );
}
