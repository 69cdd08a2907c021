// Deleting a category, compacting (by hand or when idle), and the results.

import { bytes, clockMilliseconds, count } from "../common/format.js";
import { byId, el } from "./dom.js";

const PHASES = {
  graph: "repairing the graph",
  move: "closing the gaps",
  warm: "reclaiming records",
  store: "writing to the store",
  erase: "erasing in the store",
};
const POS_NAMES = { adj: "every adjective", adv: "every adverb", noun: "every noun", verb: "every verb" };

/**
 * @param {import("../engine.js").Engine} engine
 * @param {ReturnType<import("./background.js").mountBackground>} background
 * @param {(text: string) => void} announce
 */
export function mountUpkeep(engine, background, announce) {
  const category = byId("category");
  const compactButton = byId("compact");
  const progress = byId("compact-progress");
  const phase = byId("compact-phase");
  let running;

  const sliceMs = () => Number(byId("slice-ms").value);

  function listCategories() {
    const kept = category.value;
    const { lexname, pos } = engine.categories();
    const options = (field, counts, name) =>
      [...counts]
        .sort((a, b) => b[1] - a[1])
        .map(([value, live]) => el("option", { value: `${field}:${value}` }, `${name(value)} (${count(live)})`));
    category.replaceChildren(
      el("optgroup", { label: "Category" }, ...options("lexname", lexname, (value) => value)),
      el("optgroup", { label: "Part of speech" }, ...options("pos", pos, (value) => POS_NAMES[value] ?? value)),
    );
    if ([...category.options].some((option) => option.value === kept)) category.value = kept;
    byId("delete").disabled = engine.readOnly || category.options.length === 0;
  }

  function refresh() {
    // A compaction may end because its index was closed, before there is another index.
    if (!engine.index) return;
    listCategories();
    const { deletedCount, needsCompaction } = engine.index;
    compactButton.disabled = engine.readOnly || (!running && deletedCount === 0);
    for (const id of ["idle", "threshold"]) byId(id).disabled = engine.readOnly;
    byId("read-only").hidden = !engine.readOnly;
    byId("needs").textContent = needsCompaction
      ? `The index asks to be compacted: ${count(deletedCount)} tombstones.`
      : `${count(deletedCount)} tombstones; below the threshold.`;
  }

  byId("delete").addEventListener("click", async () => {
    if (!category.value) return;
    const [field, value] = category.value.split(":");
    const started = performance.now();
    try {
      const deleted = await engine.deleteCategory(field, value);
      announce(`Deleted ${count(deleted)} records of ${value} in ${clockMilliseconds(performance.now() - started)}.`);
    } catch (error) {
      // After a change that could not be stored, an index accepts no more changes until it is opened again.
      announce(`${value} could not be deleted: ${error.message}. Load the page again: it opens what is stored.`);
    }
  });

  async function compact() {
    running = new AbortController();
    compactButton.textContent = "Stop";
    progress.value = 0;
    const before = background.beginSpan();
    try {
      const report = await engine.compact({ sliceMs: sliceMs(), signal: running.signal, onProgress: showProgress });
      progress.value = 1;
      phase.textContent = "done";
      showReport(report, background.endSpan(before));
    } catch (error) {
      background.endSpan(before);
      // An index that is replaced is closed.
      const wasStopped = error.code === "ABORTED" || error.code === "CLOSED";
      phase.textContent = wasStopped ? "stopped; the index is whole" : "failed";
      if (!wasStopped) announce(`Compaction failed: ${error.message}`);
    } finally {
      running = undefined;
      compactButton.textContent = "Compact";
      refresh();
    }
  }

  function showProgress({ done, total, phase: name }) {
    progress.value = total > 0 ? done / total : 1;
    phase.textContent = `${PHASES[name] ?? name}, ${Math.floor(progress.value * 100)} %`;
  }

  function showReport(report, felt) {
    const { graph, codes, warm, cold, total } = report.reclaimedBytes;
    const parts = Object.entries({ graph, codes, warm, cold }).filter(([, size]) => size > 0);
    const lines = [
      ["Tombstones removed", count(report.tombstonesRemoved)],
      ["Slices", count(report.slices)],
      ["Longest slice", clockMilliseconds(report.longestSliceMs)],
      ["Wall time", clockMilliseconds(report.durationMs)],
      ["Reclaimed", bytes(total)],
      ...parts.map(([name, size]) => [name, bytes(size), "part"]),
    ];
    if (felt) {
      lines.push(["Queries meanwhile", count(felt.queries)], ["Longest pause", clockMilliseconds(felt.longestPauseMs)]);
    }
    const pair = ([name, value, kind]) => [el("dt", { class: kind }, name), el("dd", { class: kind }, value)];
    byId("report").replaceChildren(...lines.flatMap(pair));
    byId("report-box").hidden = false;
    announce(`Compacted: ${count(report.tombstonesRemoved)} tombstones removed, ${bytes(total)} reclaimed.`);
  }

  compactButton.addEventListener("click", () => (running ? running.abort() : compact()));

  function applyIdle() {
    if (byId("idle").checked && !engine.readOnly) engine.compactWhenIdle(sliceMs());
    else engine.stopCompactingWhenIdle();
  }
  for (const id of ["idle", "slice-ms"]) byId(id).addEventListener("change", applyIdle);
  byId("threshold").addEventListener("input", (event) => {
    engine.index.compactionThreshold = Number(event.target.value) / 100;
    byId("threshold-value").textContent = `${event.target.value} %`;
    refresh();
  });

  engine.addEventListener("compaction", ({ detail: { report } }) => {
    if (!running) showReport(report);
  });

  return {
    refresh,
    /** Applies the settings of the controls to a fresh index. */
    applySettings() {
      if (!engine.readOnly) engine.index.compactionThreshold = Number(byId("threshold").value) / 100;
      applyIdle();
      progress.value = 0;
      phase.textContent = "not started";
      byId("report-box").hidden = true;
    },
  };
}
