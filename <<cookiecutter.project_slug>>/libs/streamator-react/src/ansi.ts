// `streamator-react/ansi`: what a `LogPanel` with `ansi` loads.
import * as ansi from "./log/ansi.js";
import { ansiPart } from "./log/parts.js";

ansiPart.provide(ansi);
