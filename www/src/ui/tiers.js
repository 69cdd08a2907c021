// The live distribution of bytes: hot, warm and the cache of cold blocks in memory, and the store.

import { bytes, count, percent } from "../common/format.js";
import { byId } from "./dom.js";

/** The parts of each bar, by element id, from the index's own figures. */
const BARS = {
  memory: {
    hot: ({ bytes: { codes, graph, ids } }) => codes + graph + ids,
    "warm-tier": (stats) => stats.bytes.warm,
    "cold-cache": (stats) => stats.bytes.coldCache,
  },
  store: {
    segments: (stats) => stats.storedBytes.segments,
    "cold-stored": (stats) => stats.storedBytes.cold,
    log: (stats) => stats.storedBytes.log,
  },
};

const NAMES = { memory: "Tiers in memory", store: "Stored in this browser" };

/** @param {import("../history.js").History} history @param {import("../engine.js").Engine} engine */
export function mountTiers(history, engine) {
  history.addEventListener("sample", () => {
    const stats = history.latest;
    const { hits, misses, hitRate } = stats.cache;
    for (const [bar, parts] of Object.entries(BARS)) {
      const said = Object.entries(parts).map(([part, sizeOf]) => {
        const size = sizeOf(stats);
        const figure = byId(`tier-${part}`);
        figure.textContent = bar === "store" && engine.readOnly ? "–" : bytes(size);
        byId(`bar-${part}`).style.flexGrow = size;
        return `${figure.previousElementSibling.textContent} ${figure.textContent}`;
      });
      byId(`bar-${bar}`).setAttribute("aria-label", `${NAMES[bar]}: ${said.join(", ")}`);
    }
    // An index that is open for reading only does not count stored bytes, since another tab writes them.
    byId("tier-total").textContent = engine.readOnly ? "counted by the tab that writes" : bytes(stats.storedBytes.total);
    byId("tier-hit-rate").textContent = hits + misses === 0 ? "no reads" : `${percent(hitRate)} of ${count(hits + misses)}`;
  });
}
