import { useEffect, useId, useRef, useState } from "react";
import { explain } from "../app/api";
import { navigate } from "../app/router";
import { useUser } from "../app/session";
import { useTitle } from "../app/title";
import { signIn } from "./session";
import "./auth.css";

/** A name and a password. It stands in for the page that was asked for, which shows once somebody has signed in. */
export function SignInPage() {
  const user = useUser();
  const [lost] = useState(signIn.wasLost);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const id = useId();
  useTitle("Sign in");

  useEffect(() => {
    if (user) navigate("/", { replace: true }); // there is nothing to do here
    else name.current?.focus();
  }, [user]);

  const submit = async (): Promise<void> => {
    // Read from the fields themselves: what a password manager fills in is there without a word.
    const given = [name.current?.value ?? "", password.current?.value ?? ""] as const;
    setError(null);
    if (given[0].trim() === "" || given[1] === "") {
      setError("Give both your name and your password.");
      (given[0].trim() === "" ? name : password).current?.focus();
      return;
    }
    setBusy(true);
    try {
      await signIn.enter(...given);
    } catch (failure) {
      setBusy(false);
      setError(explain(failure));
      password.current?.select();
    }
  };

  return (
    <form
      className="sign-in"
      aria-labelledby={`${id}-heading`}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <h1 id={`${id}-heading`}>Sign in</h1>
      {lost && <p className="soft">Your session has ended. Sign in again to go on where you were.</p>}
      <label htmlFor={`${id}-name`}>Name</label>
      <input ref={name} id={`${id}-name`} className="field" name="username" autoComplete="username" autoCapitalize="none" spellCheck={false} aria-describedby={`${id}-error`} />
      <label htmlFor={`${id}-password`}>Password</label>
      <input ref={password} id={`${id}-password`} className="field" name="password" type="password" autoComplete="current-password" aria-describedby={`${id}-error`} />
      <p id={`${id}-error`} className="note note--bad sign-in__error" role="alert">
        {error}
      </p>
      <button type="submit" className="button button--primary" disabled={busy}>
        {busy ? "Signing in" : "Sign in"}
      </button>
    </form>
  );
}
