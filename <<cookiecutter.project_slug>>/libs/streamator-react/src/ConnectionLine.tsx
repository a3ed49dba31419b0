import * as React from "react";
import { useEffect, useState } from "react";
import { connectionText, type ConnectionView, type LogWords } from "./words.js";

/** One line that tells the state of the connection. It is always one line high, so that nothing moves. */
export function ConnectionLine({ connection, words }: { readonly connection: ConnectionView; readonly words: LogWords }): React.ReactElement {
  const { retryAt, status } = connection;
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (retryAt === null) return undefined;
    const tick = (): void => setNow(Date.now());
    tick();
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [retryAt]);
  const text = connectionText(connection, words, now);
  return (
    <div className={`streamator-log-connection streamator-log-connection--${status}`} title={text}>
      {text}
    </div>
  );
}
