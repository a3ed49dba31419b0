/**
 * What every `LogPanel` loads after its first render: what a log of more than 1,000 lines needs, `renderer="window"`, and what
 * leads to a line. Import it (`import "streamator-react/large"`) to have it in the page's own bundle: all lines are then there
 * in the first render, and in a server's.
 */
import { begin, cutOf, planOf, Reader } from "./LargeLog.js";
import { largePart } from "./parts.js";

largePart.provide({ begin, cutOf, planOf, Reader });
