// The script of the worker in which an index of "thermocline/worker" runs: all of the package in one, see build.mjs.
import { load } from "../load.browser.js";
import { locateWasm } from "../locate-wasm.js";
import { loadWith } from "../module.js";
import { VectorIndex } from "../vector-index.js";
import { serve } from "../worker/host.js";
import { page } from "../worker/page.browser.js";

loadWith(load);
serve(page, VectorIndex, locateWasm);
