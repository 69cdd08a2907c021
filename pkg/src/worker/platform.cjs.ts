// Starts workers in Node, as CommonJS, which has no import.meta. The script of the worker is an ES module all the same.
import { join } from "node:path";
import type { Start } from "./platform.js";
import { running } from "./running.node.js";

export const start: Start = (heard) => running(join(__dirname, "worker-host.node.js"), heard);
