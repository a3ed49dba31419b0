import { fireEvent, render, screen } from "@testing-library/react";
import { beforeEach, expect, it } from "vitest";
import { SignInPage } from "../../src/auth/SignInPage";
import { signIn } from "../../src/auth/session";
import { UserMenu } from "../../src/auth/UserMenu";
import { provideSession } from "../../src/app/session";
import { OTHERS, playTwice } from "../others";
import type { Step } from "../others";
import { Backend } from "../streams";

beforeEach(() => {
  provideSession(signIn);
});

it.each(OTHERS)("with %s somebody signs in, as another, and out", async (_, meddle) => {
  const steps = (): Step[] => {
    const backend = new Backend();
    const answer = (name: string): unknown =>
      backend.answers.set("/api/auth/sign-in", () => Response.json({ token: "t", expires_in: 600, user: { id: name, name } }));
    const enter = (name: string, password: string): void => {
      fireEvent.change(screen.getByLabelText("Name"), { target: { value: name } });
      fireEvent.change(screen.getByLabelText("Password"), { target: { value: password } });
      fireEvent.submit(screen.getByRole("form"));
    };
    backend.answers.set("/api/auth/sign-out", () => new Response(null, { status: 204 }));
    backend.answers.set("/api/auth/sign-in", () => Response.json({ error: "the name or the password is wrong" }, { status: 401 }));
    return [
      () => void render(<><UserMenu /><SignInPage /></>),
      () => enter("Ada", ""),
      () => (enter("Ada", "wrong"), "password is wrong"),
      () => (answer("Ada"), enter("Ada", "right"), "Signed in as Ada"),
      () => (answer("Grace"), enter("Grace", "right"), "Signed in as Grace"),
      () => fireEvent.click(screen.getByRole("button", { name: "Sign out" })),
    ];
  };
  const [meddled, alone] = await playTwice(steps, meddle);
  expect(meddled).toEqual(alone);
});
