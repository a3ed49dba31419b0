import { ActivityPanel, activitiesAfter, DraftPanel, LogPanel, makeFormatEvent, ProgressPanel, type Activity, type PanelEntry } from "streamator-react";
import { Follow } from "./Follow";

const format = makeFormatEvent({ scraped: (event) => `${String(event.count)} pages` });
const nobody: readonly Activity[] = [];

/** A server component: it renders panels with data, calls what needs no browser, and has a client component follow. */
export default async function Page({ searchParams }: { searchParams: Promise<{ base: string; name: string }> }) {
  const { base, name } = await searchParams;
  const line: PanelEntry = { text: String(format({ event: "scraped", count: 3 })), t: 0, level: "info" };
  const agent = { event: "agent", stream: "agent", payload: { agent_name: "Writer", status: "completed" } };
  return (
    <>
      <Follow base={base} name={name} />
      <LogPanel logs={[line]} active={false} startedAt={new Date(0)} toolbar lineLinks />
      <ProgressPanel state="completed" percent={100} message="all of it" />
      <DraftPanel text="Written" active={false} />
      <ActivityPanel activities={activitiesAfter(nobody, agent)} />
    </>
  );
}
