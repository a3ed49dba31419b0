// `streamator-react/ws`: puts into the page's bundle what is otherwise loaded at first use.
import { loaded } from "./transport/registry.js";
import * as webSocket from "./transport/webSocket.js";

loaded.ws = webSocket;
