import { useEffect } from "react";
import { request } from "./api";
import { useAnnouncement } from "./announce";
import { Banner, HealthSign } from "./Banner";
import { ConfigContext } from "./config";
import type { Config } from "./config";
import { pages } from "./pages";
import { useResource } from "./resource";
import { match, usePath } from "./router";
import { ThemeSwitch } from "./ThemeSwitch";
import { setProjectName } from "./title";

/** What index.html calls the app: shown until the server has said its name. */
const titleOfDocument = document.title;

export function App() {
  const path = usePath();
  const { data: config } = useResource("config", (signal) => request<Config>("/api/config", { signal }));
  const name = config?.project_name ?? null;
  useEffect(() => {
    if (name !== null) setProjectName(name);
  }, [name]);

  const found = findPage(path);
  return (
    <ConfigContext value={config}>
      <div className="shell">
        <header className="masthead">
          <div className="masthead__row">
            <a className="brand" href="#/">
              <img src="/favicon.svg" alt="" />
              <span>{name ?? titleOfDocument}</span>
            </a>
            {pages.length > 1 && (
              <nav aria-label="Pages">
                {pages.map((page) => (
                  <a key={page.title} href={`#${page.paths[0]}`} aria-current={page === found?.page ? "page" : undefined}>
                    {page.title}
                  </a>
                ))}
              </nav>
            )}
            <HealthSign />
            <ThemeSwitch />
          </div>
        </header>
        <Banner />
        <main className="main">
          {found === null ? (
            <div className="empty">
              <strong>There is no page at this address.</strong>
              <a href="#/">Back to the start</a>
            </div>
          ) : (
            <found.page.Component route={found.route} params={found.params} />
          )}
        </main>
        <Announcements />
      </div>
    </ConfigContext>
  );
}

function Announcements() {
  return <output className="visually-hidden">{useAnnouncement()}</output>;
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
