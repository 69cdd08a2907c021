// The page's only index, which this browser stores, and the page's knowledge of it: which rows are live, and what is
// going on.

import { exactNearest, recall } from "./common/exact.js";
import { count } from "./common/format.js";
import { WINDOW_MS } from "./history.js";
import { importKept, makeKept, openKept, removeKept, removeLeftover } from "./kept.js";

export const K = 10;
const METRIC = "cosine";

/**
 * Events: "change" after anything that alters the index, while there is one; "first-answer" after the first search of
 * an index that was opened or built; "compaction" with `detail` { report } when a compaction ended. `startedAt` and
 * `endedAt` of `compactions` are performance.now() values; `endedAt` is Infinity while one runs. Older ones than the
 * charts show are dropped.
 */
export class Engine extends EventTarget {
  index;
  compactions = [];
  #stopIdle;
  /** Settles when leftovers beside the index are removed, so that their name can be used. */
  #tidied;
  #tidy = () => (this.#tidied = removeLeftover());

  constructor({ base, queries }) {
    super();
    this.base = base;
    this.queries = queries;
    this.live = new Uint8Array(base.length);
  }

  /** Milliseconds from the start of the page to the first answer of the index that is open. */
  firstAnswerMs;
  /** True if another tab writes, so that the index is open for reading only. */
  readOnly = false;

  /**
   * Opens the stored index. Returns its number of records and the time that opening took; undefined if there is no
   * complete index. LOCKED while another tab has it open for writing, unless it is opened for reading only.
   */
  async open({ readOnly = false } = {}) {
    const started = performance.now();
    const index = await openKept(readOnly ? "readonly" : "readwrite");
    if (!index) return undefined;
    const openMs = performance.now() - started;
    const live = await this.#liveOrLetGo(index);
    this.readOnly = readOnly;
    this.#adopt(index, live);
    // Only after the first answer, which would otherwise wait for it.
    if (!readOnly) this.addEventListener("first-answer", this.#tidy, { once: true });
    return { records: index.size, openMs };
  }

  /**
   * Builds the index from the whole sample, replacing any existing one, which is gone even if this fails. Returns the
   * milliseconds it took, including storing.
   */
  async build(onProgress) {
    this.stopCompactingWhenIdle();
    const { index: replaced } = this;
    this.index = undefined;
    this.removeEventListener("first-answer", this.#tidy);
    await this.#tidied;
    await letGo(replaced);
    await removeKept();
    let elapsedMs;
    const options = { dimensions: this.base.dimensions, metric: METRIC, seed: 1 };
    const index = await makeKept(options, async (empty) => {
      const started = performance.now();
      await empty.insertMany(this.base.toInsert(), { onProgress });
      await empty.flush();
      elapsedMs = performance.now() - started;
    });
    this.#adopt(index, await this.#liveOrLetGo(index));
    return elapsedMs;
  }

  /** Replaces the index by one read from exported bytes. If it rejects, the existing index is unchanged. */
  async import(bytes) {
    this.removeEventListener("first-answer", this.#tidy);
    await this.#tidied;
    // Otherwise the leftover would be removed while the import uses its name.
    if (!this.#tidied) await this.#tidy();
    let live;
    const imported = await importKept(bytes, async (index) => {
      const [has, needs] = [index.dimensions, this.base.dimensions];
      if (has !== needs) throw new Error(`it has ${has} dimensions, and the glosses ${needs}`);
      if (index.metric !== METRIC) throw new Error(`its metric is ${index.metric}, and that of the glosses ${METRIC}`);
      live = await this.#liveIn(index);
      const others = index.size - live.filter(Boolean).length;
      if (others > 0) throw new Error(`${count(others)} of its records are not glosses of this page`);
    });
    this.stopCompactingWhenIdle();
    const { index: replaced } = this;
    this.#adopt(imported, live);
    await letGo(replaced);
    await removeLeftover();
  }

  #adopt(index, live) {
    this.live = live;
    this.index = index;
    this.firstAnswerMs = undefined;
    this.#changed();
  }

  /** As `#liveIn`, for an index not in use yet: on failure it closes the index, which releases the lock. */
  async #liveOrLetGo(index) {
    try {
      return await this.#liveIn(index);
    } catch (error) {
      await letGo(index);
      throw error;
    }
  }

  async #liveIn(index) {
    const live = new Uint8Array(this.base.length);
    for (let row = 0; row < live.length; row++) live[row] = (await index.has(this.base.rows[row].id)) ? 1 : 0;
    return live;
  }

  #changed() {
    if (this.index) this.dispatchEvent(new Event("change"));
  }

  /** Returns the hits for a vector and the time of the call. `exceptId` leaves one record out, for "more like this". */
  async search(vector, exceptId) {
    const filter = exceptId === undefined ? undefined : (id) => id !== exceptId;
    const started = performance.now();
    const hits = await this.index.search(vector, { k: K, filter });
    const ended = performance.now();
    if (this.firstAnswerMs === undefined) {
      this.firstAnswerMs = ended;
      this.dispatchEvent(new Event("first-answer"));
    }
    return { hits, elapsedMs: ended - started };
  }

  /** Searches the same live records exactly. Returns the result and the share of it that `hits` found. */
  compareWithExact(vector, hits, exceptId) {
    const started = performance.now();
    const exact = exactNearest(this.base, vector, K, (row) => this.live[row] && this.base.rows[row].id !== exceptId);
    const elapsedMs = performance.now() - started;
    const found = new Set(hits.map((hit) => hit.id));
    const missed = exact.filter(({ row }) => !found.has(this.base.rows[row].id));
    return { recall: recall(hits, exact, this.base), missed, elapsedMs };
  }

  /** Returns the live rows per category: every lexname, and every part of speech. */
  categories() {
    const counts = { lexname: new Map(), pos: new Map() };
    this.base.rows.forEach((row, number) => {
      if (!this.live[number]) return;
      for (const field of ["lexname", "pos"]) counts[field].set(row[field], (counts[field].get(row[field]) ?? 0) + 1);
    });
    return counts;
  }

  /** Deletes every live record whose `field` is `value`; returns how many. After a failure some may be deleted. */
  async deleteCategory(field, value) {
    const { index, live } = this;
    const isWanted = (number) => live[number] && this.base.rows[number][field] === value;
    const rows = this.base.rows.map((_, number) => number).filter(isWanted);
    try {
      const deleted = await index.deleteMany(rows.map((number) => this.base.rows[number].id));
      for (const number of rows) live[number] = 0;
      return deleted;
    } catch (error) {
      if (index === this.index) this.live = await this.#liveIn(index).catch(() => live);
      throw error;
    } finally {
      this.#changed();
    }
  }

  /** Compacts in slices; rejects with ABORTED when `signal` fires. */
  async compact({ sliceMs, onProgress, signal }) {
    const span = { startedAt: performance.now(), endedAt: Infinity };
    this.#noted(span);
    try {
      const report = await this.index.compact({ sliceMs, onProgress, signal });
      this.#finished(report);
      return report;
    } finally {
      span.endedAt = performance.now();
      this.#changed();
    }
  }

  /** Adds a compaction, and drops those that the charts no longer show. */
  #noted(span) {
    const from = performance.now() - WINDOW_MS;
    this.compactions = [...this.compactions.filter(({ endedAt }) => endedAt > from), span];
  }

  #finished(report) {
    this.dispatchEvent(new CustomEvent("compaction", { detail: { report } }));
  }

  /** Makes the index compact itself in idle time whenever its tombstone ratio is above the threshold. */
  compactWhenIdle(sliceMs) {
    this.stopCompactingWhenIdle();
    this.#stopIdle = this.index.compactWhenIdle({
      sliceMs,
      onReport: (report) => {
        const endedAt = performance.now();
        this.#noted({ startedAt: endedAt - report.durationMs, endedAt });
        this.#finished(report);
        this.#changed();
      },
    });
  }

  stopCompactingWhenIdle() {
    this.#stopIdle?.();
    this.#stopIdle = undefined;
  }
}

/** Closes an index that is about to be removed, so changes that could not be stored do not matter. */
async function letGo(index) {
  await index?.close().catch(() => {});
}
