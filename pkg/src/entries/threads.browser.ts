import { loadWith } from "../module.js";
import { load } from "../threads/load.browser.js";
import { platform } from "../threads/platform.browser.js";
import { threadsOf } from "../threads/threads.js";

loadWith(load);
threadsOf(platform);

export * from "../threads/api.js";
