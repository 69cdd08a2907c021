// The script of the worker in which an index of "thermocline/worker" runs.
import { VectorIndex } from "./main.node.js";
import { serve } from "../worker/host.js";
import { page } from "../worker/page.node.js";

serve(page, VectorIndex);
