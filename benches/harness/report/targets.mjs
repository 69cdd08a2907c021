// The targets and whether they were reached, one row per target. Contenders are compared round by round, since the
// measurements of a round are close together in time. The median of the rounds' ratios is taken, once by wall time and
// once by CPU time; the lower one counts, so that neither a busy machine nor a helper thread can flatter us. A row
// whose measurements did not run is "not run": neither reached nor missed.
import { LIMITS as SIZES } from "../../../pkg/build/sizes.mjs";
import { REFERENCE } from "../lib/contenders.mjs";
import { median } from "../lib/numbers.mjs";
import { LEVELS } from "../steps/curve.mjs";
import { judgeStored } from "./stored.mjs";

/** Ratios to the reference that a release must reach, by place. */
const RATIOS = {
  wasm: { 0.9: 2.7, 0.95: 3.0, 0.99: 3.0, build: 4 },
  native: { 0.9: 4, 0.95: 4, 0.99: 4, build: 6 },
  chromium: {},
};
const PLACES = Object.keys(RATIOS);
/**
 * Limits on shares, bytes and milliseconds. Recall losses are at ef 64; `repair` is a share of the time of a rebuild.
 */
const LIMITS = {
  coldBytes: 0.15, warmBytes: 0.6, bytesPerVector: 600, outside: 0.005, repair: 0.06, repairLoss: 0.003, cyclesLoss: 0.002, sliceMs: 8,
  searchDuring: 1.2, memoryOverhead: 0.1, wasmGzip: SIZES.wasm,
};
/** The ratios to the fastest native quantized peer, and on the largest set of the scale part. */
const OVER_QUANTIZED = 1;
const MILLION = { rows: 1_000_000, dimensions: 384, ratio: 2.5 };

/**
 * Returns rows `{ set, what, target, measured, pass }`; `pass` is undefined if there is no target or no measurement.
 */
export function judge(record) {
  return [...record.sets.flatMap((set) => judgeSet(set)), ...judgeScale(record.scale), ...judgeSizes(record.sizes)];
}

function judgeSet(set) {
  const rows = [];
  const add = (row) => rows.push({ set: set.name, ...row });
  const mains = PLACES.map((place) => [place, set.contenders.find((one) => one.ours && placeOf(one) === place && isMain(one))]);
  if (set.contenders.some((one) => one.curve)) for (const [place, ours] of mains) judgeSpeed(add, set, place, ours);
  if (set.contenders.some((one) => one.memory)) judgeBytes(add, set);
  if (set.contenders.some((one) => one.outside)) for (const [place, ours] of mains) judgeOutside(add, set, place, ours);
  const maintained = mains.filter(([place]) => place !== "chromium");
  if (maintained.some(([, ours]) => ours?.maintenance)) {
    for (const [place, ours] of maintained) judgeMaintenance(add, nameOf(place), ours?.maintenance);
  }
  if (set.stored) judgeStored(set.stored, (what, value, limit, digits) => add(limitRow(what, value, limit, digits)));
  return rows;
}

/** Older records give place and quantization only in the contender's name. */
const placeOf = ({ place, name }) => place ?? (name.includes("native") ? "native" : "wasm");
const isMain = ({ main, place, quantization }) => main ?? (place === undefined && quantization === "int8");
const nameOf = (place) => `thermocline-${place}`;
const find = (set, name) => set.contenders.find((one) => one.name === name);

function judgeSpeed(add, set, place, ours) {
  const reference = find(set, REFERENCE);
  const noRerank = set.contenders.filter(({ noRerankOf }) => noRerankOf === nameOf(place));
  for (const one of [ours, ...noRerank]) {
    const both = one?.curve && reference?.curve;
    for (const level of LEVELS) {
      const ratio = both ? lower(one.at[level].rounds, reference.at[level].rounds) : NOT_RUN;
      add(ratioRow(`${one?.name ?? nameOf(place)}: QPS at recall ${level} / ${REFERENCE}`, ratio, RATIOS[place][level]));
    }
  }
  const build = ours?.build && reference?.build ? lower(ours.build.rounds, reference.build.rounds) : NOT_RUN;
  add(ratioRow(`${nameOf(place)}: build rate / ${REFERENCE}`, build, RATIOS[place].build));
  if (place === "chromium") return;
  const fastest = fastestQuantized(set);
  const ratio = ours?.curve && fastest ? medianRatio(ours.at[0.95].rounds, fastest.at[0.95].rounds, "cpu") : NOT_RUN;
  add(ratioRow(`${nameOf(place)}: QPS per CPU-second at recall 0.95 / ${fastest?.name ?? "the fastest native quantized peer"}`, ratio, OVER_QUANTIZED));
}

/** Considers only those that reach the recall. */
function fastestQuantized(set) {
  const reaching = set.contenders.filter((one) => one.quantized && one.at?.[0.95].qpsCpu);
  return reaching.sort((a, b) => b.at[0.95].qpsCpu - a.at[0.95].qpsCpu)[0];
}

function judgeBytes(add, set) {
  const { memory, store } = find(set, REFERENCE) ?? {};
  // With a small set a process holds much besides the index, so the size of the index as a file is more accurate.
  const reference = Math.min(memory?.residentBytes ?? NaN, store?.bytes ?? Infinity) / set.rows;
  const share = (one) => (one?.memory && Number.isFinite(reference) ? one.memory.bytesPerVector / reference : NOT_RUN);
  const wasm = (wanted) => set.contenders.find((one) => one.ours && placeOf(one) === "wasm" && wanted(one));
  const binary = wasm(({ quantization }) => quantization === "binary");
  add(limitRow(`binary: codes + links + ids, full vectors cold, resident bytes a vector / ${REFERENCE}`, share(binary), LIMITS.coldBytes, 3));
  const int8 = wasm(({ quantization }) => quantization === "int8");
  const reaching = int8?.at ? int8.at[0.99]?.qpsWall !== undefined : true;
  add(limitRow(`int8: the same, with recall to .99 / ${REFERENCE}`, reaching ? share(int8) : undefined, LIMITS.warmBytes, 3));
  if (set.dimensions === 384) add(limitRow("int8: codes + links + ids, bytes a vector", int8?.memory?.bytesPerVector ?? NOT_RUN, LIMITS.bytesPerVector, 0));
}

function judgeOutside(add, set, place, ours) {
  if (place === "chromium") return;
  const reference = find(set, REFERENCE)?.outside;
  const losses = ours?.outside && reference ? ours.outside.map((point, w) => reference[w].recall - point.recall) : undefined;
  const what = `${nameOf(place)}: queries out of distribution, recall lost against ${REFERENCE} at the same ef, the most`;
  add(limitRow(what, losses ? Math.max(...losses) : NOT_RUN, LIMITS.outside, 4));
}

function judgeMaintenance(add, name, maintenance) {
  const repaired = `${name}: repair of 30 % deleted, share of a rebuild's time`;
  const cycled = `${name}: recall lost after ten cycles of 20 % against a fresh index`;
  if (!maintenance) {
    add(limitRow(repaired, NOT_RUN, LIMITS.repair, 3));
    add(limitRow(cycled, NOT_RUN, LIMITS.cyclesLoss, 4));
    return;
  }
  const { slices, repair, churn } = maintenance;
  const { repairMs, rebuildMs } = repair;
  const share = (whole) => Math.max(repairMs.wall / whole.wall, repairMs.cpu / whole.cpu);
  add(limitRow(repaired, share(rebuildMs), LIMITS.repair, 3));
  add(limitRow(`${name}: recall lost to repair against the rebuilt index`, repair.recall.rebuilt - repair.recall.repaired, LIMITS.repairLoss, 4));
  const unreachable = [repair.check, ...churn.cycles].map(({ ok, live, reachable }) => (ok ? live - reachable : Math.max(1, live - reachable)));
  add(limitRow(`${name}: records not reachable, or check() not ok, in the worst of ${unreachable.length} states`, Math.max(...unreachable), 0, 0));
  add(limitRow(cycled, churn.fresh - churn.cycles.at(-1).recall, LIMITS.cyclesLoss, 4));
  // Records before bulk builds do not have these.
  if (repair.bulkMs) {
    add(limitRow(`${name}: the same, of a rebuild in bulk`, share(repair.bulkMs), LIMITS.repair, 3));
    add(limitRow(`${name}: recall lost to repair against an index built in bulk`, repair.recall.bulk - repair.recall.repaired, LIMITS.repairLoss, 4));
    add(limitRow(`${name}: recall lost after ten cycles against a fresh index built in bulk`, churn.bulk - churn.cycles.at(-1).recall, LIMITS.cyclesLoss, 4));
  }
  if (!slices) return;
  const { searchUs, memory } = slices;
  add(limitRow(`${name}: longest slice at sliceMs 4, ms`, slices.longestSliceMs, LIMITS.sliceMs, 2));
  add(limitRow(`${name}: longest time the event loop was held between two searches, ms`, slices.longestGapMs, LIMITS.sliceMs, 2));
  add(limitRow(`${name}: search between slices / before compaction, p50`, searchUs.during.p50 / searchUs.before.p50, LIMITS.searchDuring, 2));
  const over = (key) => memory.peak[key] / memory.before[key] - 1;
  add(limitRow(`${name}: wasm memory over what it was, during compaction`, over("wasmMemoryBytes"), LIMITS.memoryOverhead, 3));
  add(limitRow(`${name}: bytes held over what they were, during compaction`, over("totalBytes"), LIMITS.memoryOverhead, 3));
}

/** Always returns a row: a run without the large set must say so. */
function judgeScale(scale) {
  const { rows, dimensions, ratio } = MILLION;
  const large = scale?.find((one) => one.rows === rows && one.dimensions === dimensions);
  const [ours, theirs] = ["thermocline-wasm", REFERENCE].map((name) => large?.contenders.find((one) => one.name === name)?.at);
  const least = (key) => ours[0.95][key] / theirs[0.95][key];
  const measured = ours && theirs ? Math.min(least("qpsWall"), least("qpsCpu")) : NOT_RUN;
  return [{ set: "scale", ...ratioRow(`thermocline-wasm: QPS at recall 0.95 of 1,000,000 x 384 / ${REFERENCE}`, measured, ratio) }];
}

function judgeSizes(sizes) {
  if (!sizes) return [];
  return [
    limitRow("shipped wasm, bytes gzipped", sizes.wasmGzip, LIMITS.wasmGzip, 0),
    limitRow("script that an index in memory loads (browser), bytes gzipped", sizes.scriptGzip, undefined, 0),
  ].map((row) => ({ set: "package", ...row }));
}

/** Stands for a value whose measurement did not run. */
const NOT_RUN = Symbol("not run");

function medianRatio(ours, theirs, key) {
  return median(ours[key].map((value, round) => value / theirs[key][round]));
}

/** Returns the lower of two medians of ratios; undefined if one of the contenders never reached the recall. */
function lower(ours, theirs) {
  const ratios = ["wall", "cpu"].map((key) => medianRatio(ours, theirs, key));
  return ratios.every(Number.isFinite) ? Math.min(...ratios) : undefined;
}

function ratioRow(what, ratio, target) {
  const row = { what, target: target === undefined ? "" : `>= ${target}` };
  if (ratio === NOT_RUN) return { ...row, measured: "not run", pass: undefined };
  const reached = Number.isFinite(ratio);
  return { ...row, measured: reached ? ratio.toFixed(2) : "not reached", pass: target === undefined ? undefined : reached && ratio >= target };
}

function limitRow(what, value, limit, digits) {
  const target = limit === undefined ? "" : `<= ${Number.isInteger(limit) ? limit : Number(limit.toPrecision(3))}`;
  const row = { what, target };
  if (value === NOT_RUN) return { ...row, measured: "not run", pass: undefined };
  const known = Number.isFinite(value);
  return { ...row, measured: known ? value.toFixed(digits) : "not measured", pass: known && limit !== undefined ? value <= limit : undefined };
}
