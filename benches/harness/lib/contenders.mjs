// The contenders. Each is a command that speaks the protocol of workers/serve.mjs, with its capabilities:
//   ours         it is thermocline; `place` says where: wasm (in Node), chromium or native
//   needs        the group of requirements.txt that must be installed
//   modes        how queries can be passed to it; the fastest mode is its figure
//   stores       it can save and reopen its index
//   noRerank     searches are also measured with `rerank: false`, on the same index, as `<name>-no-rerank`
//   queries      how many queries a timed pass of a slow peer runs, fewer than of the others
//   deletes      it can delete; a number limits the deletes of one that is very slow
//   atOnce       it builds faster when it gets all rows in one call; the options of such a call
//   packs        it can put its index in graph order once it is built
//   compacts     it has a compaction; "slow" if that takes minutes and runs only with --slow
//   quantized    a native library that stores vectors in fewer bits; thermocline is compared with the fastest of these
//   optional     it takes part only if --with names it
import { join } from "node:path";
import { HARNESS, PYTHON } from "./paths.mjs";

const node = (file) => ["node", join(HARNESS, "workers", file)];
const python = (file, ...args) => [PYTHON, join(HARNESS, "workers", file), ...args];

/** The contender that the others are compared with. */
export const REFERENCE = "hnswlib";

/** Quantizations that thermocline is measured with besides its main one. */
const OTHERS = ["int8", "binary", "product"];

/**
 * Returns the contenders in the order of the tables. `native` is the path of thermocline's native binary,
 * `quantization` its main quantization.
 */
export function contenders({ native, quantization = "int8" }) {
  const can = { ours: true, modes: ["one"], deletes: true, compacts: true, packs: true, atOnce: {} };
  const wasm = { ...can, modes: ["one", "batch"], place: "wasm", command: node("thermocline.mjs"), stores: true };
  const natively = { ...can, atOnce: { threads: 1 }, place: "native", command: [native, "serve"], stores: true };
  const main = { quantization, main: true, noRerank: quantization === "int8" };
  const others = OTHERS.filter((other) => other !== quantization);
  return [
    { ...wasm, name: "thermocline-wasm", ...main, slices: true },
    { ...can, name: "thermocline-chromium", place: "chromium", ...main, command: node("thermocline-chromium.mjs") },
    { ...natively, name: "thermocline-native", ...main },
    ...others.flatMap((other) => [
      { ...wasm, name: `thermocline-wasm-${other}`, quantization: other },
      { ...natively, name: `thermocline-native-${other}`, quantization: other },
    ]),
    { ...wasm, name: "thermocline-wasm-f32", quantization: "none", optional: true },
    { name: REFERENCE, version: "0.8.0, native", needs: "hnswlib", command: python("hnswlib-native.py"), modes: ["batch", "one"], stores: true, deletes: true },
    { name: "faiss-hnsw", version: "1.15.1 flat, native", needs: "faiss", command: python("faiss-hnsw.py", "flat"), modes: ["batch", "one"], stores: true },
    { name: "faiss-hnsw-sq8", version: "1.15.1, native", needs: "faiss", quantized: true, command: python("faiss-hnsw.py", "sq8"), modes: ["batch", "one"], stores: true },
    { name: "usearch", version: "2.26.6 f32, native", needs: "usearch", command: python("usearch-hnsw.py", "f32"), modes: ["batch", "one"], stores: true, deletes: true },
    { name: "usearch-i8", version: "2.26.6, native", needs: "usearch", quantized: true, command: python("usearch-hnsw.py", "i8"), modes: ["batch", "one"], stores: true, deletes: true },
    { name: "svs-lvq8", version: "0.5.0, native", needs: "svs", quantized: true, command: python("svs-vamana.py", "8x0"), modes: ["batch", "one"], stores: true },
    { name: "svs", version: "0.5.0 f32, native", needs: "svs", command: python("svs-vamana.py", "f32"), modes: ["batch", "one"], stores: true, optional: true },
    { name: "hnswlib-wasm", version: "0.8.2", command: node("hnswlib-wasm.mjs"), modes: ["one"], queries: 500, deletes: 500 },
    { name: "edgevec", version: "0.9.0, wasm", command: node("edgevec.mjs"), modes: ["one"], queries: 200, deletes: true, compacts: "slow" },
  ];
}

/** What the record says of a contender in any case. */
export function described({ name, version, ours, place, main, quantized, quantization, missing: notRun }) {
  return { name, version, ours, place, main, quantized, quantization, notRun };
}

/**
 * Returns each runner, and behind it its searches with `rerank: false`, if they are measured, as a runner of their own.
 */
export function withNoRerank(runners) {
  return runners.flatMap((runner) => (runner.noRerank ? [runner, withoutRerank(runner)] : [runner]));
}

function withoutRerank(runner) {
  const name = `${runner.name}-no-rerank`;
  const { memory, notRun: missing } = runner.result;
  const result = { ...described({ ...runner, name, main: undefined, missing }), noRerankOf: runner.name, memory };
  return { ...runner, name, how: { rerank: 0 }, result };
}
