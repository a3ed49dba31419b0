import { eventSource } from "./transport/eventSource.js";
import { register } from "./transport/registry.js";

register("eventsource", eventSource);
