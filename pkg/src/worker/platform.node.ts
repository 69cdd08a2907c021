// Starts workers in Node, as ES modules. Tools that collect a program's files find the script only if the URL is
// written in this form, with a literal.
import type { Start } from "./platform.js";
import { running } from "./running.node.js";

export const start: Start = (heard) => running(new URL("./worker-host.node.js", import.meta.url), heard);
