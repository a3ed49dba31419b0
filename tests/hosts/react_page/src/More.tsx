import { LogPanel, makeFormatEvent, ProgressPanel, useJob, useLogStream, type PanelEntry } from "streamator-react";

const text = (entry: PanelEntry): string => entry.text.toUpperCase();
const formatEvent = makeFormatEvent({ scraping: (event) => `Scraping ${String(event.url)}` });

/** What TypeScript and JSX make of it. */
export function More() {
  const { status } = useLogStream(null, { formatEvent });
  const job = useJob<{ output: string }>(null);
  const line = { text: "a line", t: 0, level: "info" } as const;
  return (
    <section>
      <p>stream {status}, job {job.state}{job.result?.output}</p>
      <ProgressPanel state="running" percent={40} message="half way" />
      <LogPanel logs={[line]} active renderEntry={(entry) => <b>{text(entry)}</b>} />
    </section>
  );
}
