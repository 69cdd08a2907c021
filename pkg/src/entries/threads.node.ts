import { loadWith } from "../module.js";
import { load } from "../threads/load.node.js";
import { platform } from "../threads/platform.node.js";
import { threadsOf } from "../threads/threads.js";

loadWith(load);
threadsOf(platform);

export * from "../threads/api.js";
