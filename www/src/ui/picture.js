// The live picture: records, memory and query times over the last half minute, with the figures beside them.

import { bytes, clockMilliseconds, count, percent } from "../common/format.js";
import { byId } from "./dom.js";
import { TimeChart } from "./chart.js";

const PARTS = ["warm", "codes", "graph", "ids"];
/** The figure for the cache of cold blocks is among the tiers. */
const AREAS = [...PARTS, "coldCache"];

/** @param {import("../history.js").History} history @param {import("../engine.js").Engine} engine */
export function mountPicture(history, engine) {
  const records = new TimeChart(byId("chart-records"), {
    areas: [
      { className: "area live", value: (sample) => sample.stats.size },
      { className: "area dead", value: (sample) => sample.stats.deletedCount },
    ],
    label: (top) => `${count(top)} records`,
  });
  const memory = new TimeChart(byId("chart-memory"), {
    areas: AREAS.map((part) => ({ className: `area ${part}`, value: (sample) => sample.stats.bytes[part] })),
    line: { className: "wasm-line", value: (sample) => sample.stats.wasmMemoryBytes },
    unit: 1024 * 1024,
    label: (top) => `${Number((top / (1024 * 1024)).toPrecision(3))} MiB`,
  });
  const latency = new TimeChart(byId("chart-latency"), {
    bars: (sample) => sample.queries,
    label: (top) => `${Number(top.toPrecision(3))} ms`,
  });

  function figures(stats) {
    const put = (id, text) => (byId(id).textContent = text);
    put("stat-live", count(stats.size));
    put("stat-dead", count(stats.deletedCount));
    put("stat-ratio", percent(stats.tombstoneRatio));
    put("stat-resident", bytes(stats.bytes.total));
    put("stat-wasm", bytes(stats.wasmMemoryBytes));
    put("stat-reclaimable", bytes(stats.reclaimableBytes));
    put("stat-simd", stats.simd);
    for (const part of PARTS) put(`bytes-${part}`, bytes(stats.bytes[part]));
  }

  function describe(stats) {
    const label = (id, text) => byId(id).setAttribute("aria-label", text);
    const [live, dead] = [count(stats.size), count(stats.deletedCount)];
    label("chart-records", `Records over time: now ${live} live and ${dead} tombstones`);
    const [resident, wasm] = [bytes(stats.bytes.total), bytes(stats.wasmMemoryBytes)];
    label("chart-memory", `Memory over time: now ${resident} resident in ${wasm} of wasm memory`);
    const last = history.samples.findLast((sample) => sample.queries)?.queries;
    const spoken = last ? `lately ${clockMilliseconds(last.median)} at the median` : "no background queries yet";
    label("chart-latency", `Query times over time: ${spoken}`);
  }

  history.addEventListener("sample", () => {
    const { samples, latest } = history;
    const now = performance.now();
    for (const chart of [records, memory, latency]) chart.draw(samples, engine.compactions, now);
    figures(latest);
    describe(latest);
  });
}
