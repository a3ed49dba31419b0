import { act, fireEvent, render, screen } from "@testing-library/react";
import { beforeEach, expect, it, vi } from "vitest";
import { announce } from "../src/app/announce";
import type { Page } from "../src/app/pages";
import { OTHERS, playTwice } from "./others";
import type { Step } from "./others";
import { Backend } from "./streams";

let broken: Error | null = null;

vi.mock("../src/app/pages", () => {
  const page = (title: string, path: string): Page => ({
    title,
    paths: [path],
    Component: () => {
      if (broken) throw broken;
      return <h1>{`All of ${title}`}</h1>;
    },
  });
  return { pages: [page("Jobs", "/"), page("Other", "/other")] };
});

const { App } = await import("../src/app/App");

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => undefined); // React tells what it has caught
});

it.each(OTHERS)("with %s the shell leads from page to page, and through the troubles of the backend and of a page", async (_, meddle) => {
  const steps = (): Step[] => {
    broken = null;
    announce("");
    localStorage.clear();
    window.location.hash = "#/";
    document.title = "The app";
    const backend = new Backend();
    const go = (hash: string): void => {
      window.location.hash = hash;
      window.dispatchEvent(new HashChangeEvent("hashchange"));
    };
    const config = (name: string): unknown => backend.answers.set("/api/config", () => Response.json({ project_name: name, auth: "none" }));
    const store = (degraded: string | null): void => {
      backend.health = () => Response.json({ status: degraded === null ? "ok" : "degraded", store: { name: "redis", degraded }, jobs: { workers: "inline", running: 0, degraded: null } });
      document.dispatchEvent(new Event("visibilitychange"));
    };
    config("Mine");
    return [
      () => (render(<App />), "All of Jobs"),
      () => (store("It is slow."), "It is slow."),
      () => (store("It is full."), "It is full."),
      () => ((backend.health = () => Response.error()), document.dispatchEvent(new Event("visibilitychange")), "The backend does not answer."),
      () => (store("It is back."), "It is back."),
      () => (config("Ours"), store(null), "Ours"),
      () => fireEvent.click(screen.getByRole("button", { name: /^Theme/ })),
      () => announce("notes.md: completed"),
      () => announce("notes.md: failed"),
      () => (go("#/other"), "All of Other"),
      () => (go("#/nowhere"), "There is no page at this address."),
      () => ((broken = new Error("It has no bottom.")), go("#/"), "It has no bottom."),
      () => ((broken = new Error("It has no top.")), fireEvent.click(screen.getByRole("button", { name: "Try again" })), "It has no top."),
      () => ((broken = null), fireEvent.click(screen.getByRole("button", { name: "Try again" })), "All of Jobs"),
    ];
  };
  const [meddled, alone] = await playTwice(steps, meddle);
  expect(meddled).toEqual(alone);
});

it("main.tsx guards the page before it renders", async () => {
  const { removeChild } = Node.prototype;
  Node.prototype.removeChild = () => {
    throw new Error("not a child");
  };
  const rendered = vi.fn<() => void>(() => void document.createElement("p").removeChild(document.createElement("i")));
  vi.doMock("react-dom/client", () => ({ createRoot: () => ({ render: rendered }) }));
  document.body.innerHTML = '<div id="root"></div>';
  try {
    await act(() => import("../src/main"));
    expect(rendered).toHaveBeenCalledOnce();
  } finally {
    Node.prototype.removeChild = removeChild;
    document.body.replaceChildren();
  }
});
