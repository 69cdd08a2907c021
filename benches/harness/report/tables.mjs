// A run's record as Markdown, which is also what the terminal shows.
import { LEVELS } from "../steps/curve.mjs";
import { storedRows } from "./stored.mjs";
import { judge } from "./targets.mjs";

export function render(record) {
  const parts = [about(record), "### Targets", verdicts(judge(record))];
  for (const set of record.sets) {
    parts.push(`### ${set.name}: ${set.rows.toLocaleString("en")} x ${set.dimensions}, ${set.metric}, ${set.queries} queries`);
    if (set.contenders.some((one) => one.build)) parts.push(overview(set));
    if (set.contenders.some((one) => one.curve)) parts.push("Recall@10 and, below it, queries per second (wall), by search width ef:", curves(set));
    for (const { name, maintenance } of set.contenders) if (maintenance) parts.push(maintained(name, maintenance));
    if (set.stored) parts.push("An index that is kept (medians, and the range of the openings):", table(["what", "measured"], storedRows(set.stored), "ll"));
  }
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
    "contender", "build/s", "build/s CPU",
    ...LEVELS.map((level) => `QPS .${String(level).slice(2).padEnd(2, "0")}`),
    "p50 us", "p99 us", "resident B/vec", "codes+links+ids", "file B/vec", "save ms", "reopen ms",
  ];
  const rows = set.contenders.map((one) => [
    one.name + (one.version ? ` ${one.version}` : one.quantization ? ` (${one.quantization})` : ""),
    whole(one.build?.perSecondWall),
    whole(one.build?.perSecondCpu),
    ...LEVELS.map((level) => qps(one, level)),
    whole(one.latency?.p50us),
    whole(one.latency?.p99us),
    whole(one.memory?.residentBytes / set.rows),
    whole(one.memory?.bytesPerVector),
    whole(one.store?.bytes / set.rows),
    whole(one.store?.saveMs),
    whole(one.store?.reopenMs),
  ]);
  const notes = [...new Set(set.contenders.filter((one) => one.memory).map((one) => `${one.name}: ${one.memory.how}`))];
  return [
    table(columns, rows, `l${"r".repeat(columns.length - 1)}`),
    "",
    `Resident bytes: ${notes.join("; ")}.`,
    'A number after ">=" is at the narrowest width measured, which has more recall than asked.',
  ].join("\n");
}

function qps(one, level) {
  if (!one.curve) return "";
  const value = one.at[level]?.qpsWall;
  if (value === undefined) return "never";
  return (one.curve[0].recall >= level ? ">= " : "") + whole(value);
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
  const { repairMs, rebuildMs, recall } = repair;
  const last = churn.cycles.at(-1);
  const lines = [
    `**${name}, after deletes.** Repair of 30 % deleted: ${whole(repairMs.wall)} ms (CPU ${whole(repairMs.cpu)});`,
    `building the survivors anew: ${whole(rebuildMs.wall)} ms (CPU ${whole(rebuildMs.cpu)}).`,
    `Recall at ef 64: repaired ${recall.repaired.toFixed(4)}, rebuilt ${recall.rebuilt.toFixed(4)}.`,
    `Cycles of 20 %: recall ${churn.cycles.map((cycle) => cycle.recall.toFixed(4)).join(", ")}; a fresh index ${churn.fresh.toFixed(4)};`,
    `reachable ${last.reachable} of ${last.live} after the last.`,
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

function table(head, rows, align) {
  const rule = [...align.padEnd(head.length, "l")].map((side) => (side === "r" ? "--:" : "---"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const whole = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "");
const mega = (bytes) => (bytes / 1e6).toFixed(1);
