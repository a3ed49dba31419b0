import type { Page } from "../app/pages";
import { provideSession } from "../app/session";
import { signIn } from "./session";
import { SignInPage } from "./SignInPage";
import { UserMenu } from "./UserMenu";

provideSession(signIn);

export const signInPage: Page = {
  title: "Sign in",
  paths: ["/sign-in"],
  Component: SignInPage,
  Masthead: UserMenu,
  gate: true,
};
