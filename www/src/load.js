// Background queries, and how they affect the page.

import { K } from "./engine.js";

/** Browsers clamp chained timers to this period. */
const TICK_MS = 4;
const KEPT = 400;

/**
 * Runs held-out queries one after another, one per timer tick, and keeps their times. A query that fails ends the run,
 * with the event "failed" and `detail` { error }.
 */
export class QueryLoop extends EventTarget {
  total = 0;
  #latencies = [];
  #fresh = [];
  #finishedAt = [];
  /** The current run; a run ends when it is no longer this one. */
  #run;

  constructor(engine) {
    super();
    this.engine = engine;
  }

  get running() {
    return this.#run !== undefined;
  }

  /** Does nothing while there is no index. */
  start() {
    if (this.running || !this.engine.index) return;
    const run = {};
    this.#run = run;
    this.#latencies = [];
    this.#finishedAt = [];
    this.#ask(run).catch((error) => {
      // A stopped run may fail because its index was closed.
      if (this.#run !== run) return;
      this.stop();
      this.dispatchEvent(new CustomEvent("failed", { detail: { error } }));
    });
  }

  stop() {
    this.#run = undefined;
  }

  async #ask(run) {
    const { queries } = this.engine;
    while (this.#run === run) {
      const started = performance.now();
      await this.engine.index.search(queries.vector(this.total % queries.length), { k: K });
      this.#record(performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  #record(elapsedMs) {
    this.total += 1;
    this.#fresh.push(elapsedMs);
    this.#latencies.push(elapsedMs);
    this.#finishedAt.push(performance.now());
    if (this.#latencies.length > KEPT) {
      this.#latencies.shift();
      this.#finishedAt.shift();
    }
  }

  /**
   * Returns the median and 99th percentile of the last few hundred queries, and the number answered in the last second.
   */
  summary() {
    const sorted = [...this.#latencies].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    const since = performance.now() - 1000;
    return { median: at(0.5), p99: at(0.99), perSecond: this.#finishedAt.filter((time) => time > since).length };
  }

  /** Returns the median and the slowest of the queries since the last call; undefined if there were none. */
  takeFresh() {
    const fresh = this.#fresh.sort((a, b) => a - b);
    this.#fresh = [];
    return fresh.length === 0 ? undefined : { median: fresh[fresh.length >> 1], slowest: fresh[fresh.length - 1] };
  }
}

/** Measures how late a short timer fires. Everything that holds the page counts, including drawing. */
export class PauseTicker {
  longestMs = 0;
  #last;

  start() {
    this.reset();
    const tick = () => {
      const at = performance.now();
      // A hidden page's timers are throttled on purpose, which does not count as a pause.
      if (!document.hidden) this.longestMs = Math.max(this.longestMs, at - this.#last - TICK_MS);
      this.#last = at;
      setTimeout(tick, 0);
    };
    setTimeout(tick, 0);
  }

  reset() {
    this.longestMs = 0;
    this.#last = performance.now();
  }
}
