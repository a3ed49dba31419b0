// Loaded together: the parts that only some panels have.
export { ConnectionLine } from "./ConnectionLine.js";
export { LogToolbar } from "./LogToolbar.js";
export { NamedLine } from "./NamedLine.js";
