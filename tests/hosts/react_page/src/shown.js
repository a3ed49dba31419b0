/** What App shows: the states of its streams, the lines of each log, and all of its text. */
export function shown() {
  const lines = (log) => [...log.querySelectorAll(".streamator-log-text")].map(({ textContent }) => textContent);
  return {
    states: document.querySelector("#states")?.textContent, // React renders a little later
    logs: [...document.querySelectorAll("main [role=log]")].map(lines),
    text: document.querySelector("main")?.textContent,
  };
}

/** The same once all has ended, or after twenty seconds. */
export async function shownAtTheEnd() {
  const end = Date.now() + 20_000;
  while (shown().states !== "ended ended completed" && Date.now() < end) await new Promise((go) => setTimeout(go, 20));
  return shown();
}
