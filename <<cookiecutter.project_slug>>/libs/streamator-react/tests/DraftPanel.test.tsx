import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DraftPanel } from "../src/index.js";

afterEach(cleanup);

const panel = (): HTMLElement => screen.getByRole("region");

describe("DraftPanel", () => {
  it("renders nothing without a text if none may come", () => {
    const { container, rerender } = render(<DraftPanel text="" active={false} />);
    expect(container.innerHTML).toBe("");
    rerender(<DraftPanel text="" active />);
    expect(panel().textContent).toBe("Nothing written yet…");
    rerender(<DraftPanel text="" active waitingText="Gleich" />);
    expect(panel().textContent).toBe("Gleich");
  });

  it("shows the text as text, with a name, reachable by keyboard", () => {
    const hostile = "<b>bold</b> & <img src=x onerror=alert(1)>";
    render(<DraftPanel text={hostile} active aria-label="Report" title="The report" />);
    expect(screen.getByRole("region", { name: "Report" }).textContent).toBe(hostile);
    expect(document.querySelector("img")).toBeNull();
    expect(panel().tabIndex).toBe(0);
    expect(panel().hasAttribute("aria-busy")).toBe(false); // JAWS hides busy elements
    expect(screen.getByText("The report")).toBeTruthy();
  });

  it("keeps a selection while the text grows, and shows whatever text it is given", () => {
    const { rerender } = render(<DraftPanel text="one two" active autoScroll={false} />);
    const node = document.createTreeWalker(panel(), NodeFilter.SHOW_TEXT).nextNode() as Text;
    const selection = document.getSelection() as Selection;
    selection.setBaseAndExtent(node, 4, node, 7);
    // As in browsers: a selection in a text node is lost when its text is set anew.
    vi.spyOn(CharacterData.prototype, "nodeValue", "set").mockImplementation(function set(this: CharacterData, value) {
      this.data = value ?? "";
      selection.collapse(this, 0);
    });
    for (const text of ["one two three", "one two three four"]) {
      rerender(<DraftPanel text={text} active autoScroll={false} />);
      expect(panel().textContent).toBe(text);
      expect(String(selection)).toBe("two");
    }
    for (const text of ["another", "", "another", "an", "and more"]) {
      rerender(<DraftPanel text={text} active={false} waitingText="" />);
      expect(screen.queryByRole("region")?.textContent ?? "").toBe(text);
    }
  });

  it("draws the text by renderText", () => {
    render(<DraftPanel text="# Title" active renderText={(text) => <h2>{text.slice(2)}</h2>} />);
    expect(screen.getByRole("heading", { name: "Title" })).toBeTruthy();
  });

  it("takes className, style, maxHeight and words, and no toolbar", () => {
    const { container } = render(<DraftPanel text="x" active toolbar={false} className="mine" style={{ color: "red" }} maxHeight={90} />);
    const outer = container.firstElementChild as HTMLElement;
    expect(outer.className).toBe("streamator-panel streamator-draft mine");
    expect(outer.style.color).toBe("red");
    expect(outer.style.getPropertyValue("--streamator-max-height")).toBe("90px");
    expect(screen.queryByRole("button")).toBeNull();
    cleanup();
    render(<DraftPanel text="x" active words={{ copy: "Kopieren" }} />);
    expect(screen.getByRole("button", { name: "Kopieren" })).toBeTruthy();
  });
});

describe("copy and download", () => {
  it("copies all of it and confirms", async () => {
    const writeText = vi.fn<(text: string) => Promise<void>>(() => Promise.resolve());
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    render(<DraftPanel text="one two" active={false} />);
    fireEvent.click(screen.getByRole("button", { name: "Copy" }));
    expect(await screen.findByRole("button", { name: "Copied" })).toBeTruthy();
    expect(writeText).toHaveBeenCalledWith("one two");
  });

  it("downloads it by its file name", async () => {
    const made: { name: string; blob: Blob }[] = [];
    vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
      made.push({ name: "", blob: blob as Blob });
      return "blob:1";
    });
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function click(this: HTMLAnchorElement) {
      (made[0] as { name: string }).name = this.download;
    });
    render(<DraftPanel text="one two" active={false} fileName="report.md" />);
    fireEvent.click(screen.getByRole("button", { name: "Download" }));
    expect(made[0]?.name).toBe("report.md");
    expect(await made[0]?.blob.text()).toBe("one two");
  });

  it("disables the buttons without a text", () => {
    render(<DraftPanel text="" active />);
    expect(screen.getAllByRole("button").map((button) => (button as HTMLButtonElement).disabled)).toEqual([true, true]);
  });
});

describe("following the end", () => {
  let height = 0;
  const whole = Object.getOwnPropertyDescriptor(Element.prototype, "scrollTop") as PropertyDescriptor; // vitest does not undo two spies on one property

  // happy-dom lays nothing out: a panel of 100 px.
  beforeEach(() => {
    height = 0;
    const tops = new WeakMap<Element, number>();
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(100);
    vi.spyOn(HTMLElement.prototype, "scrollHeight", "get").mockImplementation(() => height);
    Object.defineProperty(Element.prototype, "scrollTop", {
      ...whole,
      get(this: Element) {
        return tops.get(this) ?? 0;
      },
      set(this: Element, value: number) {
        tops.set(this, Math.max(0, Math.min(value, height - 100)));
      },
    });
  });
  afterEach(() => {
    Object.defineProperty(Element.prototype, "scrollTop", whole);
  });

  function draft() {
    const view = render(<DraftPanel text="x" active />);
    return (text: string, to: number, active = true): void => {
      height = to;
      view.rerender(<DraftPanel text={text} active={active} />);
    };
  }

  it("keeps the end of a growing text in view", () => {
    const grow = draft();
    grow("x y", 300);
    expect(panel().scrollTop).toBe(200);
    grow("x y z", 500);
    expect(panel().scrollTop).toBe(400);
  });

  it("stops following when the reader scrolls up, and follows again by the button", () => {
    const grow = draft();
    grow("x y", 300);
    expect(screen.queryByRole("button", { name: /Follow/ })).toBeNull();
    fireEvent.wheel(panel(), { deltaY: -10 });
    panel().scrollTop = 50;
    grow("x y z", 500);
    expect(panel().scrollTop).toBe(50);
    act(() => screen.getByRole("button", { name: /Follow/ }).click());
    expect(panel().scrollTop).toBe(400);
    expect(screen.queryByRole("button", { name: /Follow/ })).toBeNull();
  });

  it("shows the last piece that comes with the end", () => {
    const grow = draft();
    grow("x y", 300);
    grow("x y z", 500, false);
    expect(panel().scrollTop).toBe(400);
    expect(screen.queryByRole("button", { name: /Follow/ })).toBeNull();
  });

  it("shows a finished text from its beginning", () => {
    height = 500;
    render(<DraftPanel text="x y z" active={false} />);
    expect(panel().scrollTop).toBe(0);
  });
});
