import { useState } from "react";
import { announce } from "../app/announce";
import { explain } from "../app/api";
import { Icon } from "../app/icons";
import { useUser } from "../app/session";
import { signIn } from "./session";
import "./auth.css";

/** Who has signed in, and the way out. */
export function UserMenu() {
  const user = useUser();
  const [leaving, setLeaving] = useState(false);
  if (!user) return null;

  const leave = async (): Promise<void> => {
    setLeaving(true);
    try {
      await signIn.leave();
      announce("Signed out");
    } catch (failure) {
      announce(explain(failure)); // the banner shows it too
    }
    setLeaving(false);
  };
  return (
    <div className="user-menu">
      <span className="user-menu__name" title={`Signed in as ${user.name}`}>
        <span className="visually-hidden">Signed in as </span>
        <span translate="no">{user.name}</span>
      </span>
      <button type="button" className="button button--plain button--icon" disabled={leaving} onClick={() => void leave()} aria-label="Sign out" title="Sign out">
        <Icon name="leave" />
      </button>
    </div>
  );
}
