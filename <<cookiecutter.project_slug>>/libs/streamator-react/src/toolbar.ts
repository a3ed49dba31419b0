/**
 * What `<LogPanel toolbar>` loads when it is first shown. Import it (`import "streamator-react/toolbar"`) to have it in the
 * page's own bundle: the toolbar is then there in the first render, and in a server's.
 */
import { LogToolbar } from "./LogToolbar.js";
import { toolbarPart } from "./parts.js";

toolbarPart.provide({ Toolbar: LogToolbar });
