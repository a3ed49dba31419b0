import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Page } from "../src/app/pages";

let broken: unknown = null;

vi.mock("../src/app/pages", () => {
  const page = (title: string, path: string): Page => ({
    title,
    paths: [path],
    Component: () => {
      if (broken !== null && path === "/") throw broken;
      return <h1>{title}</h1>;
    },
  });
  return { pages: [page("Jobs", "/"), page("Other", "/other")] };
});

const { App } = await import("../src/app/App");
const { Boundary } = await import("../src/app/Boundary");

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => undefined); // React tells what it has caught
  const answers: Record<string, object> = {
    "api/config": { project_name: "Mine", auth: "none" },
    healthz: { status: "ok", store: { name: "memory", degraded: null }, jobs: { workers: "inline", running: 0, degraded: null } },
  };
  vi.stubGlobal("fetch", async (input: RequestInfo | URL) => {
    const url = input instanceof Request ? input.url : String(input);
    const answer = Object.entries(answers).find(([path]) => url.includes(path))?.[1];
    return answer ? Response.json(answer) : Response.json({ error: "not found" }, { status: 404 });
  });
  broken = null;
  window.location.hash = "#/";
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const go = (hash: string): void =>
  act(() => {
    window.location.hash = hash;
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  });

describe("a page that throws", () => {
  it("is announced, with its message, and the navigation leads away from it and back", async () => {
    broken = new Error("the page has no bottom");
    render(<App />);
    const alert = (await screen.findByText("the page has no bottom")).closest("[role=alert]");
    expect(alert?.textContent).toContain("This page has stopped");
    expect(screen.getByRole("link", { name: "Other" })).toBeTruthy();
    go("#/other");
    expect(screen.getByRole("heading", { name: "Other" })).toBeTruthy();
    expect(screen.queryByText("the page has no bottom")).toBeNull();
    broken = null;
    go("#/");
    expect(screen.getByRole("heading", { name: "Jobs" })).toBeTruthy();
  });

  it("is tried again, also more than once, or loaded anew", async () => {
    broken = new Error("not yet");
    render(<App />);
    await screen.findByText("not yet");
    fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(screen.getByText("not yet")).toBeTruthy();
    broken = null;
    fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(screen.getByRole("heading", { name: "Jobs" })).toBeTruthy();

    broken = "a text, and no error";
    cleanup();
    const reload = vi.spyOn(window.location, "reload").mockImplementation(() => undefined);
    render(<App />);
    await screen.findByText("a text, and no error");
    fireEvent.click(screen.getByRole("button", { name: "Reload" }));
    expect(reload).toHaveBeenCalledOnce();
  });
});

it("what does not throw is shown as it is", () => {
  const { container } = render(
    <Boundary>
      <p>fine</p>
    </Boundary>,
  );
  expect(container.innerHTML).toBe("<p>fine</p>");
});
