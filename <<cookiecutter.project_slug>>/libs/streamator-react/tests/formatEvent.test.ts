import { describe, expect, it } from "vitest";
import { levelOf } from "../src/core/formatEvent.js";
import { BASE_EVENT_LABELS, makeFormatEvent, type StreamEvent } from "../src/index.js";

describe("makeFormatEvent", () => {
  it("labels the ten base events", () => {
    const names = [
      "page_loaded",
      "batch_started",
      "loading_strategy",
      "llm_started",
      "llm_done",
      "cache_hit",
      "search_started",
      "search_done",
      "browser_ready",
      "retry",
    ];
    expect(Object.keys(BASE_EVENT_LABELS)).toEqual(names);
    const format = makeFormatEvent();
    for (const event of names) expect(format({ event })).toMatch(/\p{L}/u);
  });

  it("adds an event's details to its label", () => {
    const format = makeFormatEvent();
    expect(format({ event: "retry", attempt: 2 })).toBe("🔄 Retry 2");
    expect(format({ event: "loading_strategy", strategy: "lazy" })).toBe("⚙️ Loading strategy: lazy");
    expect(format({ event: "retry" })).toBe("🔄 Retry");
  });

  it("prefers overrides: functions, texts, levels, and null for no line", () => {
    const format = makeFormatEvent({
      scraping: (event) => `Scraping ${String(event.url)}`,
      cache_hit: null,
      batch_started: "A batch",
      llm_done: () => ({ text: "Done", level: "success" }),
    });
    expect(format({ event: "scraping", url: "a.html" })).toBe("Scraping a.html");
    expect(format({ event: "cache_hit" })).toBeNull();
    expect(format({ event: "batch_started" })).toBe("A batch");
    expect(format({ event: "llm_done" })).toEqual({ text: "Done", level: "success" });
    expect(format({ event: "search_done" })).toBe(BASE_EVENT_LABELS.search_done());
  });

  it("shows other events by their message, and none without one", () => {
    const format = makeFormatEvent();
    expect(format({ event: "log", message: "hello" })).toBe("hello");
    expect(format({ event: "log", message: "" })).toBe("");
    expect(format({ event: "progress", step: 1 })).toBeNull();
    expect(format({ event: "done" })).toBeNull();
  });

  it("handles events named like an object's own members", () => {
    const format = makeFormatEvent();
    for (const event of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
      expect(format({ event, message: "m" })).toBe("m");
    }
  });

  it("shows a message that is not a text as JSON", () => {
    expect(makeFormatEvent()({ event: "log", message: { a: 1 } } as unknown as StreamEvent)).toBe('{"a":1}');
  });
});

describe("other words for levels", () => {
  it.each([
    ["error", ["error", "ERROR", "Error", "err", "critical", "CRITICAL", "crit", "fatal", "FATAL", "severe", "alert", "emerg", "emergency", "panic", " error ", 40, 50]],
    ["warning", ["warning", "WARNING", "warn", "Warn", 30]],
    ["success", ["success", "SUCCESS", "ok", "OK"]],
    ["info", ["info", "INFO", "notice", "debug", "DEBUG", "trace", "constructor", "__proto__", "", 0, 10, 20, null, undefined, {}, ["error"], true]],
  ])("%s", (level, written) => {
    for (const word of written) expect([word, levelOf(word)]).toEqual([word, level]);
  });
});
