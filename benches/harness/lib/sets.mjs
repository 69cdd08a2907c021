// The data sets of a run, as raw files that every contender can read: base.f32 and queries.f32 (little-endian rows) and
// gt.i32 (the true neighbours of each query, nearest first). Generated files are kept under benches/.peers/data.
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { readNpy } from "./npy.mjs";
import { Random } from "./random.mjs";
import { synthesize, synthesizer } from "./synthetic.mjs";

/** Number of true neighbours kept for each query, so that plenty are left after rows are deleted. */
export const DEPTH = 100;

/** Number of out-of-distribution queries made for a set. */
const OUTSIDE = 1000;

/**
 * Sets are `{ name, metric, rows, dimensions, queries, basePath, queriesPath, truthPath, outside }`; `exact` computes
 * missing true neighbours. `outside` has out-of-distribution queries and their true neighbours.
 */
export async function prepareSets({ from, rows, cache, sample, exact }) {
  const wanted = from
    ? [{ name: nameOf(from), metric: "cosine", load: () => loadFolder(from, rows), key: rows, folder: from }]
    : [
        { name: "wordnet-sample", metric: "cosine", load: () => loadFolder(sample), key: 0, folder: sample },
        { name: "synthetic", metric: "l2", load: () => synthesize({ rows, queries: 1000, dimensions: 384, seed: 1 }), key: rows },
      ];
  const sets = [];
  for (const each of wanted) {
    const set = await prepare(each, cache, exact);
    sets.push({ ...set, outside: await prepareOutside(set, exact) });
  }
  return sets;
}

/** Number of rows of a synthetic set generated at a time. */
const PIECE = 10_000;

/** Prepares a synthetic set of another shape, with true neighbours to the given depth. */
export function prepareSynthetic({ cache, exact, depth, ...shape }) {
  const load = () => {
    const { pieces, queries } = synthesizer(shape, PIECE);
    return { pieces: pieces(), queries, dimensions: shape.dimensions };
  };
  return prepare({ name: `synthetic-${shape.dimensions}`, metric: "l2", load, key: `${shape.rows}${depth ? `-${depth}` : ""}`, depth }, cache, exact);
}

async function prepare({ name, metric, load, key, folder: source, depth = DEPTH }, cache, exact) {
  const folder = join(cache, `${name}-${key || "all"}`);
  const about = join(folder, "set.json");
  const stamp = source ? statSync(join(source, "base.f16.npy")).mtimeMs : 0;
  if (!existsSync(about) || JSON.parse(readFileSync(about, "utf8")).stamp !== stamp) {
    console.error(`preparing ${name} (once; kept in ${folder})`);
    const making = `${folder}.making`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making, { recursive: true });
    const { base, pieces = [base], queries, truth, dimensions } = load();
    let rows = 0;
    for (const piece of pieces) {
      appendFileSync(join(making, "base.f32"), new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
      rows += piece.length / dimensions;
    }
    writeFileSync(join(making, "queries.f32"), new Uint8Array(queries.buffer, queries.byteOffset, queries.byteLength));
    const set = { name, stamp, metric, dimensions, rows, queries: queries.length / dimensions };
    if (truth) writeFileSync(join(making, "gt.i32"), new Uint8Array(truth.buffer, truth.byteOffset, truth.byteLength));
    else await exact({ ...set, ...paths(making), depth: Math.min(depth, set.rows) });
    writeFileSync(join(making, "set.json"), JSON.stringify(set));
    rmSync(folder, { recursive: true, force: true });
    renameSync(making, folder);
  }
  return { ...JSON.parse(readFileSync(about, "utf8")), ...paths(folder) };
}

async function prepareOutside(set, exact) {
  const folder = dirname(set.basePath);
  const queriesPath = join(folder, "outside.f32");
  const truthPath = join(folder, "outside-gt.i32");
  if (!existsSync(truthPath)) {
    const bytes = readFileSync(set.queriesPath);
    const inside = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    writeFileSync(queriesPath, new Uint8Array(outside(inside, set, new Random(31)).buffer));
    const making = `${truthPath}.making`;
    await exact({ ...set, queriesPath, truthPath: making, depth: Math.min(DEPTH, set.rows) });
    renameSync(making, truthPath);
  }
  return { queries: OUTSIDE, queriesPath, truthPath };
}

/**
 * Returns out-of-distribution queries: each is the midpoint of two unrelated queries of the set, moved by half their
 * length in a random direction, away from all rows. Of unit length under cosine.
 */
export function outside(inside, { dimensions, metric }, random, count = OUTSIDE) {
  const rows = inside.length / dimensions;
  const out = new Float32Array(count * dimensions);
  for (let at = 0; at < out.length; at += dimensions) {
    const [a, b] = [random.below(rows) * dimensions, random.below(rows) * dimensions];
    const [one, other] = [inside.subarray(a, a + dimensions), inside.subarray(b, b + dimensions)];
    const aside = Array.from({ length: dimensions }, () => random.normal());
    const scale = (Math.hypot(...one) + Math.hypot(...other)) / 4 / Math.hypot(...aside);
    for (let i = 0; i < dimensions; i++) out[at + i] = (one[i] + other[i]) / 2 + scale * aside[i];
  }
  return metric === "cosine" ? normalized(out, dimensions) : out;
}

const paths = (folder) => ({
  basePath: join(folder, "base.f32"),
  queriesPath: join(folder, "queries.f32"),
  truthPath: join(folder, "gt.i32"),
});

const nameOf = (folder) => folder.replace(/\/+$/, "").split("/").at(-1) || "data";

/** Loads a folder of base.f16.npy and queries.f16.npy. gt.i32.npy beside them is used only for the whole base. */
function loadFolder(folder, limit = Infinity) {
  const all = readNpy(join(folder, "base.f16.npy"));
  const asked = readNpy(join(folder, "queries.f16.npy"));
  const [total, dimensions] = all.shape;
  const rows = Math.min(total, limit || Infinity);
  const truthFile = join(folder, "gt.i32.npy");
  const known = rows === total && existsSync(truthFile) ? readNpy(truthFile) : undefined;
  return {
    dimensions,
    base: normalized(all.data.subarray(0, rows * dimensions), dimensions),
    queries: normalized(asked.data, dimensions),
    // Lists deeper than DEPTH would be misread later, and shallower ones are too short: both are computed anew.
    truth: known?.shape[1] === DEPTH ? known.data : undefined,
  };
}

/** Returns the rows at unit length, which float16 rounding has changed slightly. */
function normalized(flat, dimensions) {
  const out = Float32Array.from(flat);
  for (let at = 0; at < out.length; at += dimensions) {
    let sum = 0;
    for (let i = at; i < at + dimensions; i++) sum += out[i] * out[i];
    const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0;
    for (let i = at; i < at + dimensions; i++) out[i] *= scale;
  }
  return out;
}
