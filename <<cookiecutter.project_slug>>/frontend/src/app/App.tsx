import { useEffect } from "react";
import { StreamDefaults } from "streamator-react";
import { requestOpenly } from "./api";
import { useAnnouncement } from "./announce";
import { useBackend } from "./backend";
import { Banner, HealthSign } from "./Banner";
import { Boundary } from "./Boundary";
import { ConfigContext } from "./config";
import type { Config } from "./config";
import { pages } from "./pages";
import { useResource } from "./resource";
import { match, usePath } from "./router";
import { session, useUser } from "./session";
import { ThemeSwitch } from "./ThemeSwitch";
import { setProjectName } from "./title";

/** What index.html calls the app: shown until the server has said its name. */
const titleOfDocument = document.title;

export function App() {
  const path = usePath();
  const { data: config } = useResource("config", (signal) => requestOpenly<Config>("api/config", { signal }));
  const name = config?.project_name ?? null;
  useEffect(() => {
    if (name !== null) setProjectName(name);
  }, [name]);

  const { reach } = useBackend();
  const user = useUser();
  const signsIn = config?.auth === "jwt";
  useEffect(() => {
    if (signsIn) session.begin();
  }, [signsIn]);

  const closed = signsIn && user === null;
  // Not for long; and where the backend is away the pages show what they have.
  const unknown = config === null ? reach !== "down" : signsIn && user === undefined;
  const found = closed ? gate() : findPage(path);
  const shown = closed ? [] : pages.filter((page) => !page.gate);
  return (
    <ConfigContext value={config}>
      <StreamDefaults.Provider value={session}>
        <div className="shell">
          <header className="masthead">
            <div className="masthead__row">
              <a className="brand" href="#/">
                <img src="favicon.svg" alt="" />
                <span>{name ?? titleOfDocument}</span>
              </a>
              {shown.length > 1 && (
                <nav aria-label="Pages">
                  {shown.map((page) => (
                    <a key={page.title} href={`#${page.paths[0]}`} aria-current={page === found?.page ? "page" : undefined}>
                      {page.title}
                    </a>
                  ))}
                </nav>
              )}
              <HealthSign />
              <ThemeSwitch />
              {pages.map(({ title, Masthead }) => Masthead && <Masthead key={title} />)}
            </div>
          </header>
          <Banner />
          <main className="main">
            {unknown ? null : found === null ? (
              <div className="empty">
                <strong>There is no page at this address.</strong>
                <a href="#/">Back to the start</a>
              </div>
            ) : (
              <Boundary page={path}>
                <found.page.Component key={user?.id} route={found.route} params={found.params} />
              </Boundary>
            )}
          </main>
          <Announcements />
        </div>
      </StreamDefaults.Provider>
    </ConfigContext>
  );
}

function Announcements() {
  return <output className="visually-hidden">{useAnnouncement()}</output>;
}

function gate() {
  const page = pages.find((one) => one.gate);
  return page === undefined ? null : { page, route: page.paths[0] ?? "/", params: {} };
}

function findPage(path: string) {
  for (const page of pages) {
    for (const route of page.paths) {
      const params = match(route, path);
      if (params !== null) return { page, route, params };
    }
  }
  return null;
}
