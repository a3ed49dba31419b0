import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { CancelButton } from "../src/app/CancelButton";

afterEach(cleanup);

const button = () => screen.getByRole("button", { name: "Cancel it" });

it("asks once, says why it was refused, and can be pressed again", async () => {
  render(<CancelButton name="it" cancel={() => Promise.reject(new Error("no"))} explainFailure={() => "It is over."} />);
  fireEvent.click(button());
  expect(button().hasAttribute("disabled")).toBe(true);
  expect((await screen.findByRole("alert")).textContent).toBe("It is over.");
  expect(button().hasAttribute("disabled")).toBe(false);
});

it("what was asked stays so when somebody else comes to keep that", () => {
  const cancel = () => Promise.resolve();
  const { rerender } = render(<CancelButton name="it" cancel={cancel} />);
  fireEvent.click(button());
  rerender(<CancelButton name="it" cancel={cancel} cancelling={false} />);
  expect(button().textContent).toBe("Cancelling");
});

it("somebody else who keeps it is believed", () => {
  const cancel = () => Promise.resolve();
  const { rerender } = render(<CancelButton name="it" cancel={cancel} cancelling={false} />);
  fireEvent.click(button());
  expect(button().textContent).toBe("Cancel");
  rerender(<CancelButton name="it" cancel={cancel} cancelling />);
  expect(button().textContent).toBe("Cancelling");
});
