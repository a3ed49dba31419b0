/**
 * What a `LogPanel` with a toolbar, a connection line, line links or a linked line loads when it is first shown. Import it
 * (`import "streamator-react/toolbar"`) to have it in the page's own bundle: all that is then there in the first render, and
 * in a server's.
 */
import { ConnectionLine } from "./ConnectionLine.js";
import { LogToolbar } from "./LogToolbar.js";
import { NamedLine } from "./NamedLine.js";
import { toolbarPart } from "./parts.js";

toolbarPart.provide({ ConnectionLine, NamedLine, Toolbar: LogToolbar });
