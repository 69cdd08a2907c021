// The switch for background queries and their live read-out.

import { clockMilliseconds, count } from "../common/format.js";
import { byId } from "./dom.js";

const READOUT_MS = 250;
/** How long queries continue after a compaction that started them, so that the picture shows the return to calm. */
const AFTERGLOW_MS = 1500;

/**
 * @param {import("../load.js").QueryLoop} loop
 * @param {import("../load.js").PauseTicker} ticker
 * @param {(text: string) => void} announce
 */
export function mountBackground(loop, ticker, announce) {
  const wanted = byId("background");
  let spans = 0;
  let pauses = 0;

  /** Starts or stops the loop after any change, including a span that ends during a pause. */
  function settle() {
    if (pauses === 0 && (wanted.checked || spans > 0)) loop.start();
    else loop.stop();
  }

  wanted.addEventListener("change", () => {
    ticker.reset();
    settle();
  });
  loop.addEventListener("failed", ({ detail: { error } }) => {
    wanted.checked = false;
    announce(`The queries in the background have stopped: ${error.message}`);
  });
  byId("reset-pause").addEventListener("click", () => ticker.reset());

  setInterval(() => {
    const { median, p99, perSecond } = loop.summary();
    byId("bg-total").textContent = count(loop.total);
    byId("bg-rate").textContent = loop.running ? `${count(perSecond)}/s` : "off";
    byId("bg-median").textContent = median === undefined ? "–" : clockMilliseconds(median);
    byId("bg-p99").textContent = p99 === undefined ? "–" : clockMilliseconds(p99);
    byId("bg-pause").textContent = clockMilliseconds(ticker.longestMs);
  }, READOUT_MS);

  return {
    /** Starts a span, during which queries run regardless of the switch, and measures the longest pause anew. */
    beginSpan() {
      spans += 1;
      ticker.reset();
      settle();
      return loop.total;
    },
    /** Ends the span. Returns what was measured since it began. */
    endSpan(totalBefore) {
      setTimeout(() => {
        spans -= 1;
        settle();
      }, AFTERGLOW_MS);
      return { queries: loop.total - totalBefore, longestPauseMs: ticker.longestMs };
    },
    /** Stops queries while an index is being replaced, and resumes them afterwards. */
    async paused(work) {
      pauses += 1;
      settle();
      try {
        return await work();
      } finally {
        pauses -= 1;
        settle();
      }
    },
  };
}
