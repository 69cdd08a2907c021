// What was to be reached, and whether it was: one row a target. Contenders are compared round by round, since a round's
// measurements lie close together in time, and the median of the rounds' ratios is taken: once by wall time, once by CPU
// time. The lower one counts, so that neither a busy machine nor a helper thread can flatter us.
import { REFERENCE } from "../lib/contenders.mjs";
import { median } from "../lib/numbers.mjs";
import { LEVELS } from "../steps/curve.mjs";
import { judgeStored } from "./stored.mjs";

/** What a release must reach. Recall losses are at ef 64. */
const RATIO = { 0.9: undefined, 0.95: 1.5, 0.99: 1.5 };
const LIMITS = {
  build: 2.0, repair: 10, recallLoss: 0.003, sliceMs: 8, searchDuring: 1.2, memoryOverhead: 0.1, bytesPerVector: 600,
  wasmGzip: 110_000, scriptGzip: 12_000,
};

/** Rows `{ what, target, measured, pass }`; `pass` is undefined where nothing was promised. */
export function judge(record) {
  return [...record.sets.flatMap((set) => judgeSet(set)), ...judgeSizes(record.sizes)];
}

function judgeSet(set) {
  const rows = [];
  const reference = set.contenders.find((one) => one.name === REFERENCE);
  const row = (what, target, measured, pass) => rows.push({ set: set.name, what, target, measured, pass });

  for (const ours of set.contenders.filter((one) => one.ours)) {
    const binding = !ours.name.includes("native") && ours.quantization === "int8";
    if (reference && ours.curve && ours !== reference) {
      for (const level of LEVELS) {
        const ratio = lower(ours.at[level].rounds, reference.at[level].rounds);
        ratioRow(row, `${ours.name}: QPS at recall ${level} / ${REFERENCE}`, ratio, binding ? RATIO[level] : undefined);
      }
      const build = lower(ours.build.rounds, reference.build.rounds);
      ratioRow(row, `${ours.name}: build rate / ${REFERENCE}`, build, binding ? LIMITS.build : undefined);
    }
    if (ours.memory?.bytesPerVector && set.dimensions === 384 && ours.quantization === "int8") {
      limitRow(row, `${ours.name}: codes + links + ids, bytes a vector`, ours.memory.bytesPerVector, LIMITS.bytesPerVector, 0);
    }
    if (ours.maintenance) judgeMaintenance(row, ours);
  }
  if (set.stored) judgeStored(set.stored, (what, value, limit, digits) => limitRow(row, what, value, limit, digits));
  return rows;
}

function judgeMaintenance(row, { name, maintenance: { slices, repair, churn } }) {
  const { repairMs, rebuildMs } = repair;
  const faster = Math.min(rebuildMs.wall / repairMs.wall, rebuildMs.cpu / repairMs.cpu);
  ratioRow(row, `${name}: repair of 30 % deleted, times faster than a rebuild`, faster, LIMITS.repair);
  limitRow(row, `${name}: recall lost to repair against the rebuilt index`, repair.recall.rebuilt - repair.recall.repaired, LIMITS.recallLoss, 4);
  const unreachable = [repair.check, ...churn.cycles].map(({ ok, live, reachable }) => (ok ? live - reachable : Math.max(1, live - reachable)));
  limitRow(row, `${name}: records not reachable, or check() not ok, in the worst of ${unreachable.length} states`, Math.max(...unreachable), 0, 0);
  const lost = churn.fresh - churn.cycles.at(-1).recall;
  limitRow(row, `${name}: recall lost after ${churn.cycles.length} cycles of 20 % against a fresh index`, lost, LIMITS.recallLoss, 4);
  if (!slices) return;
  const { searchUs, memory } = slices;
  limitRow(row, `${name}: longest slice at sliceMs 4, ms`, slices.longestSliceMs, LIMITS.sliceMs, 2);
  limitRow(row, `${name}: longest time the event loop was held between two searches, ms`, slices.longestGapMs, LIMITS.sliceMs, 2);
  limitRow(row, `${name}: search between slices / before compaction, p50`, searchUs.during.p50 / searchUs.before.p50, LIMITS.searchDuring, 2);
  const over = (key) => memory.peak[key] / memory.before[key] - 1;
  limitRow(row, `${name}: wasm memory over what it was, during compaction`, over("wasmMemoryBytes"), LIMITS.memoryOverhead, 3);
  limitRow(row, `${name}: bytes held over what they were, during compaction`, over("totalBytes"), LIMITS.memoryOverhead, 3);
}

function judgeSizes(sizes) {
  const rows = [];
  const row = (what, target, measured, pass) => rows.push({ set: "package", what, target, measured, pass });
  if (sizes) {
    limitRow(row, "shipped wasm, bytes gzipped", sizes.wasmGzip, LIMITS.wasmGzip, 0);
    limitRow(row, "script that an index in memory loads (browser), bytes gzipped", sizes.scriptGzip, LIMITS.scriptGzip, 0);
  }
  return rows;
}

/** The lower of two medians of ratios; undefined when one of the two never got there. */
function lower(ours, theirs) {
  const ratios = ["wall", "cpu"].map((key) => median(ours[key].map((value, round) => value / theirs[key][round])));
  return ratios.every(Number.isFinite) ? Math.min(...ratios) : undefined;
}

function ratioRow(row, what, ratio, target) {
  const measured = ratio === undefined ? "not reached" : ratio.toFixed(2);
  row(what, target === undefined ? "" : `>= ${target}`, measured, target === undefined ? undefined : ratio !== undefined && ratio >= target);
}

function limitRow(row, what, value, limit, digits) {
  row(what, `<= ${Number.isInteger(limit) ? limit : Number(limit.toPrecision(3))}`, Number.isFinite(value) ? value.toFixed(digits) : "not measured", Number.isFinite(value) ? value <= limit : undefined);
}
