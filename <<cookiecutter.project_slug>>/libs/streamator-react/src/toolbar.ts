/**
 * `streamator-react/toolbar`: what a `LogPanel` with a toolbar, a connection line, line links or a linked line loads. If a page
 * imports it, its first render and a server's have all of that.
 */
import { toolbarPart } from "./log/parts.js";
import * as toolbar from "./log/toolbar.js";

toolbarPart.provide(toolbar);
