import { recovery } from "./transport/recovery.js";
import { register } from "./transport/registry.js";

register("recovery", recovery);
