import { configure } from "@testing-library/react";

// What a test waits for comes at once on a machine that has nothing else to do: this is for one that has.
configure({ asyncUtilTimeout: 10_000 });
