import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SseParser, type SseMessage } from "../src/transport/sse.js";

function parse(...chunks: string[]): SseMessage[] {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

function data(...chunks: string[]): string[] {
  return parse(...chunks).map((message) => message.data);
}

describe("event stream interpretation (HTML Standard 9.2.6)", () => {
  it("dispatches an event at the blank line", () => {
    expect(parse("data: hello\n\n")).toEqual([{ id: null, event: "", data: "hello" }]);
  });

  it("joins data lines with a newline", () => {
    expect(data("data: YHOO\ndata: +2\ndata: 10\n\n")).toEqual(["YHOO\n+2\n10"]);
  });

  it("reads the example with comment, id, and an id that is reset", () => {
    const parser = new SseParser();
    const messages = parser.push(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n");
    expect(messages).toEqual([
      { id: "1", event: "", data: "first event" },
      { id: "", event: "", data: "second event" },
      { id: null, event: "", data: " third event" },
    ]);
  });

  it("dispatches empty data, and not the block that never ends", () => {
    expect(data("data\n\ndata\ndata\n\ndata:")).toEqual(["", "\n"]);
  });

  it("treats the space after the colon as optional, and strips one only", () => {
    expect(data("data:test\n\ndata: test\n\ndata:  test\n\n")).toEqual(["test", "test", " test"]);
  });

  it("ends lines at LF, CR and CRLF alike", () => {
    expect(data("data: a\n\ndata: b\r\rdata: c\r\n\r\ndata: d\r\n\n")).toEqual(["a", "b", "c", "d"]);
  });

  it("takes a CRLF that is split across chunks as one line end", () => {
    expect(data("data: a\r", "\ndata: b\r", "\n\r", "\ndata: c\r", "\r")).toEqual(["a\nb", "c"]);
  });

  it("dispatches at a CR that ends a chunk without waiting for the next", () => {
    expect(data("data: a\r\r")).toEqual(["a"]);
  });

  it("strips one leading byte order mark", () => {
    expect(data("\uFEFFdata: a\n\n")).toEqual(["a"]);
    expect(data("\uFEFF", "data: a\n\n")).toEqual(["a"]);
    expect(data("\uFEFF\uFEFFdata: a\n\n")).toEqual([]);
    expect(data("data: a\n\n\uFEFFdata: b\n\n")).toEqual(["a"]);
  });

  it("names events, and forgets the name at the blank line", () => {
    expect(parse("event: progress\ndata: 1\n\ndata: 2\n\nevent: x\n\ndata: 3\n\n").map(({ event }) => event)).toEqual(["progress", "", ""]);
  });

  it("gives an event the id of its own block only", () => {
    expect(parse("id: 7\ndata: a\n\ndata: b\n\n").map(({ id }) => id)).toEqual(["7", null]);
  });

  it("keeps the id of a block without data, which is no event", () => {
    const parser = new SseParser();
    expect(parser.lastId).toBeNull();
    expect(parser.push("id: 7\ndata: a\n\n: heartbeat\nid: 42\n\n")).toHaveLength(1);
    expect(parser.lastId).toBe("42");
    expect(parser.push("id: 43\n: not finished\n")).toEqual([]);
    expect(parser.lastId).toBe("42");
    expect(parser.push("\n: heartbeat\n\ndata: b\n\n").map(({ id }) => id)).toEqual([null]);
    expect(parser.lastId).toBe("43");
  });

  it("ignores an id with a NUL", () => {
    expect(parse("id: a\0b\ndata: x\n\n")[0]?.id).toBeNull();
  });

  it("takes retry from ASCII digits only", () => {
    const parser = new SseParser();
    parser.push("retry: 1.5\n\nretry: 3s\n\nretry\n\n");
    expect(parser.retry).toBeNull();
    parser.push("retry: 3000\n");
    expect(parser.retry).toBe(3000);
  });

  it("ignores comments and unknown fields", () => {
    expect(data(": heartbeat\n\n:data: no\nfoo: bar\nDATA: no\n data: no\ndata: yes\n\n")).toEqual(["yes"]);
  });

  it("keeps U+2028, NUL and colons within data", () => {
    expect(data("data: a\u2028b\0c: d\n\n")).toEqual(["a\u2028b\0c: d"]);
  });
});

describe("chunks", () => {
  // The reference splits the whole text at once, by the grammar of the standard.
  function reference(text: string): SseMessage[] {
    const messages: SseMessage[] = [];
    let fields: { id: string | null; event: string; data: string[] } = { id: null, event: "", data: [] };
    const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
    for (const line of lines.slice(0, -1)) {
      if (line === "") {
        if (fields.data.length > 0) messages.push({ id: fields.id, event: fields.event, data: fields.data.join("\n") });
        fields = { id: null, event: "", data: [] };
      }
      const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      if (name === "data" && line !== "") fields.data.push(value);
      if (name === "event") fields.event = value;
      if (name === "id" && !value.includes("\0")) fields.id = value;
    }
    return messages;
  }

  const parts = ["data", "data: ", "data:x", "id: 4", "id", "event: e", ": c", ":", "retry: 5", "\n", "\n\n", "\r", "\r\n", "\r\n\r\n", "é€😀", " ", "\uFEFF"];
  const text = fc.array(fc.constantFrom(...parts), { maxLength: 60 }).map((some) => some.join(""));

  it("any split gives what the whole gives", () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat({ max: 300 })), (whole, cuts) => {
        const ends = [...cuts.toSorted((a, b) => a - b), whole.length];
        const chunks = ends.map((end, index) => whole.slice(ends[index - 1] ?? 0, end));
        expect(parse(...chunks)).toEqual(reference(whole));
        expect(parse(whole)).toEqual(reference(whole));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it("takes a line of very many chunks", () => {
    const parser = new SseParser();
    const piece = "x".repeat(16);
    parser.push("data: ");
    // A parser that searched the whole line again for each chunk would run into the timeout.
    for (let index = 0; index < 500_000; index += 1) parser.push(piece);
    expect(parser.push("\n\n")[0]?.data).toHaveLength(8_000_000);
  });
});
