import { useBackend } from "./backend";

/** What stands in the way of everything on the page. It comes and goes by itself. */
export function Banner() {
  const { reach, health } = useBackend();
  const [store, jobs] = [health?.store.degraded ?? null, health?.jobs.degraded ?? null];
  return (
    <div role="alert">
      {reach === "down" ? (
        <div className="banner banner--down">
          <p>
            <strong>The backend does not answer.</strong> What you see is what was known last. The page keeps trying, and goes
            on by itself when the backend is back.
          </p>
        </div>
      ) : store !== null || jobs !== null ? (
        <div key="degraded" className="banner">
          <p>
            <strong>{store !== null ? "The log store has trouble." : "Jobs wait."}</strong> <span>{store ?? jobs}</span>
          </p>
        </div>
      ) : null}
    </div>
  );
}

const storeNames = { memory: "Memory store", dynamo: "DynamoDB store", redis: "Redis store" } as const;

/** The small sign in the masthead: is the backend there, and where does it keep the logs. */
export function HealthSign() {
  const { reach, health } = useBackend();
  const condition = reach !== "up" ? reach : health?.status === "degraded" ? "degraded" : "up";
  const text =
    condition === "down"
      ? "Backend away"
      : condition === "unknown" || health === null
        ? "Connecting"
        : condition === "degraded"
          ? `${storeNames[health.store.name]}, ${health.store.degraded === null ? "jobs wait" : "degraded"}`
          : storeNames[health.store.name];
  return (
    <span className={`health health--${condition}`} title={text}>
      <span className="health__dot" aria-hidden="true" />
      <span className="health__text">{text}</span>
    </span>
  );
}
