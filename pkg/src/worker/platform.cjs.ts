// Node, CommonJS, where there is no import.meta. The worker's script is the one of ES modules, of which nothing is seen here.
import { join } from "node:path";
import type { Start } from "./platform.js";
import { running } from "./running.node.js";

export const start: Start = (heard) => running(join(__dirname, "worker-host.node.js"), heard);
