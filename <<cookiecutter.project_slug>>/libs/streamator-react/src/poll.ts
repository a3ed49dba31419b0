import { poll } from "./transport/poll.js";
import { register } from "./transport/registry.js";

register("poll", poll);
