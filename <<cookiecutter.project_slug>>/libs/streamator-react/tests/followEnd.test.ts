import { array, assert, boolean, constant, integer, oneof, property, record, type Arbitrary } from "fast-check";
import { describe, expect, it } from "vitest";
import { follow, START, type Act, type Following } from "../src/scroll/followEnd.js";

/** An element with the layout of browsers: its position stays, unless the content becomes too short for it. */
class Box {
  top = 0;
  height = 100;
  view = 100;

  get end(): number {
    return Math.max(0, this.height - this.view);
  }

  scrollTo(top: number): void {
    this.top = Math.max(0, Math.min(top, this.end));
  }

  layout(height: number, view: number): void {
    this.height = height;
    this.view = view;
    this.scrollTo(this.top);
  }
}

/** A panel that follows the end of such a box. */
class Panel {
  readonly box = new Box();
  state: Following = START;

  act(act: Act): void {
    const { top, height, view } = this.box;
    this.state = follow(this.state, act, { top, height, view });
  }

  stick(): void {
    this.act("look");
    if (this.state.following) this.box.scrollTo(this.box.height);
    this.act("put");
  }
}

type Step =
  | { readonly kind: "layout"; readonly height: number; readonly view: number }
  | { readonly kind: "scroll event" }
  | { readonly kind: "stick" }
  | { readonly kind: "reader up"; readonly by: number }
  | { readonly kind: "reader to the end" }
  | { readonly kind: "press" | "release" };

const nobody: Arbitrary<Step>[] = [
  record({ kind: constant("layout" as const), height: integer({ min: 0, max: 3000 }), view: integer({ min: 0, max: 500 }) }),
  constant({ kind: "scroll event" }),
  constant({ kind: "stick" }),
];
const reader: Arbitrary<Step>[] = [
  record({ kind: constant("reader up" as const), by: integer({ min: 2, max: 800 }) }),
  constant({ kind: "reader to the end" }),
  constant({ kind: "press" }),
  constant({ kind: "release" }),
];

/** A frame's layout is followed by the stick of its ResizeObserver; the scroll event that it causes comes in the next one, or never. */
function run(panel: Panel, step: Step): void {
  const { box } = panel;
  if (step.kind === "layout") {
    box.layout(step.height, step.view);
    panel.stick();
  } else if (step.kind === "scroll event") panel.act("look");
  else if (step.kind === "stick") panel.stick();
  else if (step.kind === "reader up") box.scrollTo(box.top - step.by);
  else if (step.kind === "reader to the end") {
    box.scrollTo(box.height);
    panel.act("look");
  } else panel.act(step.kind === "press" ? "pause" : "unpause");
}

describe("following", () => {
  it("whatever layout does, the end stays in view until a reader scrolls", () => {
    assert(
      property(array(oneof(...nobody), { maxLength: 60 }), (steps) => {
        const panel = new Panel();
        for (const step of steps) {
          run(panel, step);
          expect(panel.state.following).toBe(true);
          expect(panel.box.top).toBe(panel.box.end);
        }
      }),
    );
  });

  it("after a reader scrolled up, nothing moves the log until they are at the end again", () => {
    assert(
      property(array(oneof(...nobody, ...reader), { maxLength: 80 }), (steps) => {
        const panel = new Panel();
        let away = false; // by the reader's moves, not by the panel's state
        let unseen = false; // the panel has not looked since the last move
        const taken: Step[] = [];
        for (const step of steps) {
          const { top } = panel.box;
          // If the content becomes shorter by more than a view, layout may have moved it.
          if (unseen && step.kind === "layout" && panel.state.place.height - step.height > step.view && panel.state.following) away = unseen = false;
          run(panel, step);
          // If it is within a pixel of the end when the panel looks, it is at the end.
          if (unseen && ["layout", "scroll event", "stick"].includes(step.kind)) away = panel.box.end - Math.min(top, panel.box.end) > 1;
          if (!["reader up", "press", "release"].includes(step.kind)) unseen = false;
          if (step.kind === "reader up") {
            const left = panel.box.top <= top - 2;
            unseen ||= left && !away;
            away ||= left;
          } else if (step.kind === "reader to the end") away &&= panel.box.end - top <= 1;
          else if (away && panel.box.end > 1 && panel.box.top !== Math.min(top, panel.box.end)) taken.push(step);
          away &&= panel.box.end > 1; // if all but a pixel is in view, there is no end to be away from
        }
        expect(taken).toEqual([]);
      }),
      {
        examples: [
          [[{ kind: "layout", height: 103, view: 100 }, { kind: "reader up", by: 3 }, { kind: "layout", height: 101, view: 100 }]],
          [[{ kind: "layout", height: 103, view: 100 }, { kind: "reader up", by: 2 }, { kind: "stick" }]],
          [[{ kind: "layout", height: 3, view: 0 }, { kind: "reader up", by: 2 }, { kind: "layout", height: 331, view: 329 }]],
        ],
      },
    );
  });

  it("a reader who goes to the end stays there", () => {
    assert(
      property(array(oneof(...nobody, ...reader.slice(0, 2)), { maxLength: 40 }), integer({ min: 600, max: 3000 }), (steps, height) => {
        const panel = new Panel();
        for (const step of steps) run(panel, step);
        panel.box.layout(height, 100);
        panel.stick();
        run(panel, { kind: "reader up", by: 300 });
        panel.act("look");
        expect(panel.state.following).toBe(false);
        run(panel, { kind: "reader to the end" });
        expect(panel.state.following).toBe(true);
        run(panel, { kind: "layout", height: height + 500, view: 100 });
        expect(panel.box.top).toBe(panel.box.end);
      }),
    );
  });

  it("a press or a selection only pauses it, unless the reader scrolls up meanwhile", () => {
    assert(
      property(array(oneof(...nobody), { maxLength: 20 }), boolean(), (steps, scrolls) => {
        const panel = new Panel();
        run(panel, { kind: "layout", height: 1000, view: 100 });
        run(panel, { kind: "press" });
        for (const step of steps) run(panel, step);
        run(panel, { kind: "layout", height: 2000, view: 100 });
        const moved = scrolls && panel.box.top >= 2;
        if (moved) run(panel, { kind: "reader up", by: 200 });
        panel.stick();
        run(panel, { kind: "release" });
        expect(panel.state.following).toBe(!moved);
      }),
    );
  });

  it("content that is much shorter for a moment does not count as a move", () => {
    const state = follow(START, "put", { top: 18_064, height: 18_462, view: 398 });
    expect(follow(state, "look", { top: 86, height: 7_797, view: 398 }).following).toBe(true); // measured in WebKit
    expect(follow(state, "look", { top: 86, height: 18_300, view: 398 }).following).toBe(false);
    expect(follow({ ...state, following: false }, "look", { top: 86, height: 7_797, view: 398 }).following).toBe(false);
  });

  it("a wheel up with everything in view does not count as a move", () => {
    expect(follow(START, "leave", { top: 0, height: 100, view: 100 }).following).toBe(true);
    expect(follow(START, "leave", { top: 0, height: 200, view: 100 }).following).toBe(false);
  });
});
