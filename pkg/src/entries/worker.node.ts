import { start } from "../worker/platform.node.js";
import { startWith } from "../worker/vector-index.js";

startWith(start);

export * from "../worker/api.js";
