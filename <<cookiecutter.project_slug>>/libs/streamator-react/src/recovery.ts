// `streamator-react/recovery`: puts into the page's bundle what is otherwise loaded at first use.
import * as recovery from "./transport/recovery.js";
import { loaded } from "./transport/registry.js";

loaded.recovery = recovery;
