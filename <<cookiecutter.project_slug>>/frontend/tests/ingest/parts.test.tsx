import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { readUrl } from "../../src/ingest/AddDocuments";
import { Marked } from "../../src/ingest/marks";
import { refuse } from "../../src/ingest/starts";

afterEach(cleanup);

describe("Marked", () => {
  it("marks what stands between U+0002 and U+0003, and nothing else", () => {
    const { container } = render(<Marked text={"a \u0002hit\u0003 and \u0002another\u0003."} />);
    expect(container.innerHTML).toBe("<span>a </span><mark>hit</mark><span> and </span><mark>another</mark><span>.</span>");
  });

  it("keeps HTML as letters, also within a hit", () => {
    const { container } = render(<Marked text={"<img src=x onerror=boom()> \u0002<b>\u0003"} />);
    expect(container.querySelector("img, b")).toBeNull();
    expect(container.textContent).toBe("<img src=x onerror=boom()> <b>");
  });

  it("loses no text to marks without a partner", () => {
    const { container } = render(<Marked text={"one\u0003 two \u0002three"} />);
    expect(container.textContent).toBe("one two three");
    expect(screen.queryByRole("mark")).toBeNull();
  });
});

describe("an address that is typed in", () => {
  it("is completed", () => {
    expect(readUrl(" example.org/a b ")).toBe("https://example.org/a%20b");
    expect(readUrl("http://localhost:8000/x")).toBe("http://localhost:8000/x");
  });

  it.each(["", "not an address", "javascript:alert(1)", "file:///etc/passwd", "ftp://example.org", "word"])("is refused: %j", (text) => {
    expect(readUrl(text)).toBeNull();
  });
});

function file(size: number): { file: File } {
  return { file: new File(["x".repeat(size)], "a.txt") };
}

describe("a file that need not be sent", () => {
  it("is too large, with both sizes and the fix", () => {
    expect(refuse(file(2_000), 1_000)).toBe("The file has 2 kB, and the limit is 1 kB. Choose a smaller one, or raise MAX_UPLOAD_MB.");
  });

  it("is empty", () => {
    expect(refuse(file(0), 1_000)).toContain("empty");
  });

  it("is no file within the limit, nor any while the limit is unknown", () => {
    expect(refuse(file(1_000), 1_000)).toBeNull();
    expect(refuse(file(2_000), null)).toBeNull();
  });
});
