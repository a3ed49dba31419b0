import { configure } from "@testing-library/react";
import "../../src/ansi.js"; // there in the first render, as is
import "../../src/toolbar.js";
import "../../src/transport/places.js"; // which is loaded otherwise when the first stream opens: not by fake timers

// What a test waits for comes at once on a machine that has nothing else to do: this is for one that has.
configure({ asyncUtilTimeout: 10_000 });
