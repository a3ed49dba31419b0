// Each peer is a component that follows `url` and calls `rendered(lines, newest text)` in a layout effect.
import { LazyLog } from "@melloware/react-logviewer";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import * as before from "streamator-before";
import * as now from "streamator-react";
// As the app has them: in its own bundle.
import "streamator-react/ansi";
import "streamator-react/large";
import "streamator-react/log.css";
import "streamator-react/recovery";
import "streamator-react/toolbar";

function ours(props, { LogPanel, useLogStream } = now) {
  return function Ours({ url, rendered }) {
    const stream = useLogStream(url);
    const { logs, active } = stream;
    useLayoutEffect(() => rendered(logs.length, logs.at(-1)?.text), [logs, rendered]);
    return <LogPanel logs={logs} active={active} maxHeight="600px" connection={props.toolbar ? stream : undefined} {...props} />;
  };
}

/** What one writes without a library: EventSource, a copy of the array for each event, an element for each line. */
function Plain({ url, rendered }) {
  const [lines, setLines] = useState([]);
  const end = useRef(null);
  useEffect(() => {
    const source = new EventSource(url);
    source.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.event === "done") source.close();
      else setLines((before) => [...before, event]);
    };
    return () => source.close();
  }, [url]);
  useLayoutEffect(() => {
    end.current.scrollTop = end.current.scrollHeight;
    rendered(lines.length, lines.at(-1)?.message);
  }, [lines, rendered]);
  return (
    <div className="upstream" ref={end}>
      {lines.map(({ t, message }, index) => (
        <div key={index}>
          <span>{t.toFixed(1)}s</span>
          <span>{message}</span>
        </div>
      ))}
    </div>
  );
}

/** @melloware/react-logviewer has no hook for event streams: it is handed the lines of each frame. */
function LogViewer({ url, rendered }) {
  const viewer = useRef(null);
  const [count, setCount] = useState(0);
  const newest = useRef("");
  useEffect(() => {
    let pending = [];
    let total = 0;
    const flush = () => {
      frame = requestAnimationFrame(flush);
      if (pending.length === 0 || viewer.current === null) return;
      viewer.current.appendLines(pending);
      total += pending.length;
      newest.current = pending.at(-1);
      pending = [];
      setCount(total);
    };
    let frame = requestAnimationFrame(flush);
    const source = new EventSource(url);
    source.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.event === "done") source.close();
      else pending.push(event.message);
    };
    return () => {
      source.close();
      cancelAnimationFrame(frame);
    };
  }, [url]);
  useLayoutEffect(() => rendered(count, newest.current), [count, rendered]);
  return (
    <div style={{ height: 600 }}>
      <LazyLog ref={viewer} external follow height={600} enableLineNumbers={false} />
    </div>
  );
}

/** All of a job by `useJob`, which keeps the newest `maxEntries` of its events. */
function job(maxEntries) {
  return function Job({ url, rendered }) {
    const { stream, events } = now.useJob(null, { jobId: "job", streamUrl: () => url, resultUrl: null, maxEntries });
    const newest = stream.logs.at(-1);
    useLayoutEffect(() => rendered(newest?.line ?? 0, newest?.text), [newest, rendered]);
    return <output>{events.length}</output>;
  };
}

const TOOLS = { toolbar: true, lineLinks: true, ansi: true };

export const peers = {
  streamator: ours({}),
  tools: ours(TOOLS),
  window: ours({ renderer: "window" }),
  plain: Plain,
  logviewer: LogViewer,
  job: job(1_000_000),
  "job-capped": job(1_000),
  before: ours({}, before),
  "before-tools": ours(TOOLS, before),
};
