// A run's record as Markdown, also for the terminal.
import { LEVELS } from "../steps/curve.mjs";
import { table, whole } from "./markdown.mjs";
import { plotsOf } from "./plots.mjs";
import { scaled } from "./scale.mjs";
import { storedRows } from "./stored.mjs";
import { judge } from "./targets.mjs";

export function render(record) {
  const parts = [about(record), "### Targets", verdicts(judge(record))];
  for (const set of record.sets) {
    parts.push(`### ${set.name}: ${set.rows.toLocaleString("en")} x ${set.dimensions}, ${set.metric}, ${set.queries} queries`);
    for (const { title, file } of plotsOf(set)) parts.push(`![${title}](plots/${file})`);
    if (set.contenders.some((one) => one.build)) parts.push(overview(set));
    if (set.contenders.some((one) => one.curve)) parts.push(speeds(set), "Recall@10 and, below it, queries per second (wall), by search width ef:", curves(set));
    if (set.contenders.some((one) => one.outside)) parts.push("Recall@10 of queries out of distribution, by search width ef:", outside(set));
    if (set.contenders.some((one) => one.deletes)) parts.push("A random 30 % deleted, and searched at ef 64 before and after a compaction where there is one:", deletes(set));
    for (const { name, maintenance } of set.contenders) if (maintenance) parts.push(maintained(name, maintenance));
    if (set.stored) parts.push("An index that is kept (medians, and the range of the openings):", table(["what", "measured"], storedRows(set.stored), "ll"));
    const without = set.contenders.filter((one) => one.notRun).map((one) => `${one.name}: ${one.notRun}`);
    if (without.length) parts.push(`Not run, or not to the end:\n\n${without.map((line) => `- ${line}`).join("\n")}`);
  }
  if (record.scale) parts.push("### Scale", ...scaled(record.scale));
  if (record.sizes) parts.push("### Shipped files", files(record.sizes));
  return parts.filter(Boolean).join("\n\n");
}

function about({ date, commit, dirty, machine, options }) {
  const { m, efConstruction, k, builds, rounds } = options;
  return [
    `Run of ${date} at commit ${commit}${dirty ? " with local changes" : ""}.`,
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.rustc}; one thread a contender, ${machine.pinning}.`,
    `The load average was ${machine.load.before} when it began and ${machine.load.after} when it ended.`,
    `Every contender: M ${m}, efConstruction ${efConstruction}, k ${k}; medians of ${builds} builds and ${rounds} search rounds, in turns.`,
  ].join("\n");
}

function verdicts(rows) {
  const mark = ({ pass }) => (pass === undefined ? "" : pass ? "pass" : "**falls short**");
  return table(
    ["set", "what", "target", "measured", ""],
    rows.map((row) => [row.set, row.what, row.target, row.measured, mark(row)]),
    "lllr",
  );
}

function overview(set) {
  const columns = [
    "contender", "build/s", "build/s CPU", "resident B/vec", "codes+links+ids", "file B/vec", "save ms", "reopen ms",
  ];
  const measured = set.contenders.filter((one) => one.build);
  const rows = measured.map((one) => [
    titleOf(one),
    whole(one.build.perSecondWall),
    whole(one.build.perSecondCpu),
    whole(one.memory?.residentBytes / set.rows),
    whole(one.memory?.bytesPerVector),
    whole(one.store?.bytes / set.rows),
    whole(one.store?.saveMs),
    whole(one.store?.reopenMs),
  ]);
  return [
    table(columns, rows, `l${"r".repeat(columns.length - 1)}`),
    "",
    `Resident bytes: ${residency(measured)}. Reopening is until the first answer.`,
  ].join("\n");
}

const titleOf = (one) => one.name + (one.version ? ` ${one.version}` : one.quantization ? ` (${one.quantization})` : "");

/** Returns each way of counting resident bytes, and the contenders that use it. */
function residency(measured) {
  const ways = new Map();
  for (const { name, memory } of measured) if (memory) ways.set(memory.how, [...(ways.get(memory.how) ?? []), name]);
  return [...ways].map(([how, names]) => `${how} (${names.join(", ")})`).join("; ");
}

function speeds(set) {
  const nameOf = (level) => `.${String(level).slice(2).padEnd(2, "0")}`;
  const columns = ["contender", ...LEVELS.flatMap((level) => [`QPS ${nameOf(level)}`, "per CPU-s", "p50/p99 us"])];
  const rows = set.contenders.filter((one) => one.curve).map((one) => [
    titleOf(one),
    ...LEVELS.flatMap((level) => [qps(one, level), whole(one.at[level]?.qpsCpu), latency(one, level)]),
  ]);
  return [
    table(columns, rows, `l${"r".repeat(columns.length - 1)}`),
    "",
    'A number after ">=" is at the narrowest width measured, which has more recall than asked. p50 and p99 are of single queries at the narrowest width with that recall.',
  ].join("\n");
}

function qps(one, level) {
  const value = one.at[level]?.qpsWall;
  if (value === undefined || value === null) return "never";
  return (one.curve[0].recall >= level ? ">= " : "") + whole(value);
}

function latency({ latencies, latency: old }, level) {
  // Older records have latencies only at recall .95.
  const one = latencies?.[level] ?? (level === 0.95 ? old : undefined);
  return one ? `${whole(one.p50us)}/${whole(one.p99us)}` : "";
}

function outside(set) {
  const measured = set.contenders.filter((one) => one.outside);
  const widths = measured[0].outside.map((point) => point.ef);
  const rows = measured.map((one) => [one.name, ...one.outside.map((point) => point.recall.toFixed(4))]);
  return table(["ef", ...widths], rows, `l${"r".repeat(widths.length)}`);
}

function deletes(set) {
  const columns = ["contender", "deleted", "deletes/s", "QPS", "recall", "compaction", "QPS after", "recall after"];
  const rows = set.contenders.filter((one) => one.deletes).map(({ name, deletes: { deleted, perSecondWall, before, compaction, after } }) => [
    name,
    whole(deleted),
    whole(perSecondWall),
    whole(before.qpsWall),
    before.recall.toFixed(4),
    compaction ? (compaction.notRun ?? `${whole(compaction.wallMs)} ms, CPU ${whole(compaction.cpuMs)}`) : "none",
    whole(after?.qpsWall),
    after ? (after.recall?.toFixed(4) ?? "ids are others") : "",
  ]);
  return table(columns, rows, `l${"r".repeat(columns.length - 1)}`);
}

function curves(set) {
  const measured = set.contenders.filter((one) => one.curve);
  const widths = measured[0].curve.map((point) => point.ef);
  const rows = measured.flatMap((one) => [
    [one.name, ...one.curve.map((point) => point.recall.toFixed(4))],
    ["", ...one.curve.map((point) => whole(point.qpsWall))],
  ]);
  return table(["ef", ...widths], rows, `l${"r".repeat(widths.length)}`);
}

function maintained(name, { slices, repair, churn }) {
  const { repairMs, rebuildMs, bulkMs, recall } = repair;
  // Records before bulk builds do not have these.
  const inBulk = bulkMs
    ? ` In bulk: ${whole(bulkMs.wall)} ms (CPU ${whole(bulkMs.cpu)}), recall ${recall.bulk.toFixed(4)}; fresh after the cycles ${churn.bulk.toFixed(4)}.`
    : "";
  const last = churn.cycles.at(-1);
  const lines = [
    `**${name}, after deletes.** Repair of 30 % deleted: ${whole(repairMs.wall)} ms (CPU ${whole(repairMs.cpu)});`,
    `building the survivors anew, one by one: ${whole(rebuildMs.wall)} ms (CPU ${whole(rebuildMs.cpu)}).`,
    `Recall at ef 64: repaired ${recall.repaired.toFixed(4)}, rebuilt ${recall.rebuilt.toFixed(4)}.`,
    `Cycles of 20 %: recall ${churn.cycles.map((cycle) => cycle.recall.toFixed(4)).join(", ")}; a fresh index ${churn.fresh.toFixed(4)};`,
    `reachable ${last.reachable} of ${last.live} after the last.${inBulk}`,
  ];
  return [...lines, ...(slices ? sliced(slices) : [])].join("\n");
}

function sliced({ report, wallMs, longestSliceMs, longestGapMs, gapsOver8Ms, searchUs, memory }) {
  const search = (when) => `${whole(searchUs[when].p50)}/${whole(searchUs[when].p99)} us ${when}`;
  const { before, peak, after } = memory;
  return [
    `In slices of 4 ms with a search after each: ${report.slices} slices in ${whole(wallMs)} ms, the longest ${longestSliceMs.toFixed(2)} ms;`,
    `the event loop was held ${longestGapMs.toFixed(2)} ms at most, over 8 ms ${gapsOver8Ms} times.`,
    `Search p50/p99: ${search("before")}, ${search("during")}, ${search("after")}.`,
    `Wasm memory ${mega(before.wasmMemoryBytes)} MB before, ${mega(peak.wasmMemoryBytes)} at most;`,
    `bytes held ${mega(before.totalBytes)} MB before, ${mega(peak.totalBytes)} at most, ${mega(after.totalBytes)} after; reclaimed ${mega(report.reclaimedBytes.total)} MB.`,
  ];
}

function files({ files: shipped, edgevecWasm }) {
  const rows = Object.entries(shipped).map(([name, { bytes, gzip }]) => [name, whole(bytes), whole(gzip)]);
  if (edgevecWasm) rows.push(["(edgevec's wasm, for comparison)", whole(edgevecWasm.bytes), whole(edgevecWasm.gzip)]);
  return table(["file", "bytes", "gzipped"], rows, "lrr");
}

const mega = (bytes) => (bytes / 1e6).toFixed(1);
