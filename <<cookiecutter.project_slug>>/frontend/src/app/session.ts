/**
 * Who uses the page. Where people sign in, the folder that they do it with provides a session; without one there is
 * nobody to tell apart, and requests go out as they are.
 */

import { useSyncExternalStore } from "react";

export interface User {
  readonly id: string;
  readonly name: string;
}

export interface Session {
  readonly subscribe: (listener: () => void) => () => void;
  /** Who has signed in: null for nobody, undefined as long as that is not known. */
  readonly getUser: () => User | null | undefined;
  /** Finds out who has signed in: called once it is known that people do. */
  readonly begin: () => void;
  /** The headers of a request. `refused`: those before were answered with 401. */
  readonly headers: (refused: boolean) => Promise<Readonly<Record<string, string>>>;
  /** `url` as it is asked for where headers cannot be sent. */
  readonly signUrl: (url: string) => Promise<string>;
}

let provided: Session = {
  subscribe: () => () => {},
  getUser: () => undefined,
  begin: () => {},
  headers: async () => ({}),
  signUrl: async (url) => url,
};

/** Puts a session in place, before the page is rendered. */
export function provideSession(session: Session): void {
  provided = session;
}

/** The session as it is to be used: it may be kept, before and after another is provided. */
export const session: Session = {
  subscribe: (listener) => provided.subscribe(listener),
  getUser: () => provided.getUser(),
  begin: () => provided.begin(),
  headers: (refused) => provided.headers(refused),
  signUrl: (url) => provided.signUrl(url),
};

export function useUser(): User | null | undefined {
  return useSyncExternalStore(session.subscribe, session.getUser);
}
