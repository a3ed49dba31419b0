// `streamator-react/eventsource`: puts into the page's bundle what is otherwise loaded at first use.
import * as eventSource from "./transport/eventSource.js";
import { loaded } from "./transport/registry.js";

loaded.eventsource = eventSource;
