// `streamator-react/poll`: puts into the page's bundle what is otherwise loaded at first use.
import * as poll from "./transport/poll.js";
import { loaded } from "./transport/registry.js";

loaded.poll = poll;
