import { useEffect, useRef } from "react";
import type { LogStream } from "streamator-react";
import { backend, useBackend } from "./backend";

/**
 * A broken stream is the first to know that the backend is away; and when it is back, nobody has to wait for the stream's
 * next attempt, which may be half a minute off.
 */
export function useBackAtOnce({ status, reconnect }: Pick<LogStream, "status" | "reconnect">): void {
  useEffect(() => {
    if (status === "reconnecting") void backend.check();
  }, [status]);

  const { returns } = useBackend();
  const seen = useRef(returns);
  useEffect(() => {
    if (seen.current === returns) return;
    seen.current = returns;
    if (status === "reconnecting") reconnect();
  }, [returns, status, reconnect]);
}
