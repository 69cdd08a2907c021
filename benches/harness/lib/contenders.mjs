// Who takes part. A contender is a command that speaks the protocol of workers/serve.mjs, and what it can do:
//   modes      how queries can be given to it; the fastest is its figure
//   stores     it can save, and reopen what it saved
//   queries    how many queries a timed pass runs (a slow peer needs fewer for a steady median)
import { join } from "node:path";
import { HARNESS, PYTHON } from "./paths.mjs";

const worker = (file) => ["node", join(HARNESS, "workers", file)];

/** The one that the others are compared with. */
export const REFERENCE = "hnswlib";

/** Contenders in the order of the tables. `native` is the path of thermocline's native binary. */
export function contenders({ native }) {
  return [
    { name: "thermocline-wasm", ours: true, quantization: "int8", command: worker("thermocline.mjs"), modes: ["one"], stores: true, slices: true },
    { name: "thermocline-native", ours: true, quantization: "int8", command: [native, "serve"], modes: ["one"], stores: true },
    { name: "thermocline-wasm-f32", ours: true, quantization: "none", command: worker("thermocline.mjs"), modes: ["one"], stores: true, optional: true },
    { name: REFERENCE, version: "0.8.0, native", command: [PYTHON, join(HARNESS, "workers/hnswlib-native.py")], modes: ["batch", "one"], stores: true },
    { name: "hnswlib-wasm", version: "0.8.2", command: worker("hnswlib-wasm.mjs"), modes: ["one"], queries: 500 },
    { name: "edgevec", version: "0.9.0, wasm", command: worker("edgevec.mjs"), modes: ["one"], queries: 200 },
  ];
}
