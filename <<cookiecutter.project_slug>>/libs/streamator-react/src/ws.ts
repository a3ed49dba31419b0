import { webSocket } from "./transport/webSocket.js";
import { register } from "./transport/registry.js";

register("ws", webSocket);
