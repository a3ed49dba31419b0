/**
 * `streamator-react/large`: what every `LogPanel` loads after its first render, for more than 1,000 lines, `renderer="window"`
 * and scrolling to a line. If a page imports it, its first render and a server's have all lines.
 */
import * as large from "./log/large.js";
import { largePart } from "./log/parts.js";

largePart.provide(large);
