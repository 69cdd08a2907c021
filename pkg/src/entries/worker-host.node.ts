// The script of the worker that runs an index of "thermocline/worker".
import { locateWasm, VectorIndex } from "./main.node.js";
import { serve } from "../worker/host.js";
import { page } from "../worker/page.node.js";

serve(page, VectorIndex, locateWasm);
