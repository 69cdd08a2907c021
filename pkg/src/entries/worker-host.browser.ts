// The script of the worker that runs an index of "thermocline/worker": the whole package in one script, see build.mjs.
import { load } from "../load.browser.js";
import { locateWasm } from "../locate-wasm.js";
import { loadWith } from "../module.js";
import { VectorIndex } from "../vector-index.js";
import { serve } from "../worker/host.js";
import { page } from "../worker/page.browser.js";

loadWith(load);
serve(page, VectorIndex, locateWasm);
