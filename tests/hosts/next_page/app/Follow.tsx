"use client";

import { useEffect } from "react";
import { StreamDefaults } from "streamator-react";
import "streamator-react/toolbar";
import { App } from "./App";
import { shownAtTheEnd } from "./shown";

const defaults = { headers: {} };

export function Follow(props: { base: string; name: string }) {
  useEffect(() => {
    Object.assign(globalThis, { shownAtTheEnd });
  }, []);
  return (
    <StreamDefaults.Provider value={defaults}>
      <App {...props} />
    </StreamDefaults.Provider>
  );
}
