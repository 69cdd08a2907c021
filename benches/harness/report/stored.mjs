// Stored indexes: the targets, and the other measurements.
import { median } from "../lib/numbers.mjs";

/** The limits for a release; times in milliseconds, sizes in bytes. */
const LIMITS = {
  nodeReopenMs: 150, browserReopenMs: 700, saveBytes: 8192, checkpointShare: 1 / 3, coldOverWarm: 1.3, tripsOfSearch: 1,
  coldReadMs: 1, blocksOfPayloads: 4, warmCompactionMs: 20, pauseMs: 8,
};

const wallOf = (rounds) => median(rounds.map(({ wallMs }) => wallMs));
const cpuOf = (rounds) => median(rounds.map(({ cpuMs }) => cpuMs));
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const most = (values) => Math.max(...values);

/**
 * Returns rows for the table of targets, in the form of report/targets. `limit` makes a row for a value with an upper
 * limit.
 */
export function judgeStored(stored, limit) {
  const { node, browser, saves, checkpoint, coldSearches, coldReads, trips, warmCompaction } = stored;
  limit("stored, Node: reopen to the first answer, ms", wallOf(node.reopen), LIMITS.nodeReopenMs, 0);
  if (browser) limit("stored, Chromium, IndexedDB: reopen to the first answer, ms", wallOf(browser.indexeddb.reopen), LIMITS.browserReopenMs, 0);
  limit(`stored, Node: bytes written to save one insert, the most of ${saves.bytes.length}`, most(saves.bytes), LIMITS.saveBytes, 0);
  const share = checkpoint.bytes / checkpoint.storedBytes;
  limit(`stored, Node: bytes written by a checkpoint after ${checkpoint.inserts} inserts / the index`, share, LIMITS.checkpointShare, 3);
  const ratios = coldSearches.rounds.map(({ coldMs, warmMs }) => coldMs / warmMs);
  limit("stored, Node: search with all records cold and all blocks in memory / all records warm, p50 without payloads", median(ratios), LIMITS.coldOverWarm, 2);
  limit("stored: calls of the store's for a search with nothing of its records in memory, the most", most(trips.searches.map(({ calls }) => calls)), LIMITS.tripsOfSearch, 0);
  limit("stored: blocks that ten payloads lie in, on average", mean(trips.payloads.map(({ keys }) => keys)), LIMITS.blocksOfPayloads, 1);
  limit("stored, Node: a record that is in the directory only, by id, p50 ms", coldReads.p50Ms, LIMITS.coldReadMs, 2);
  const fine = warmCompaction.find(({ sliceMs }) => sliceMs < 4);
  limit("warm compaction of 10,000 records of 1 KB, ms", median(fine.runs.map(({ warmMs }) => warmMs)), LIMITS.warmCompactionMs, 1);
  const usual = warmCompaction.find(({ sliceMs }) => sliceMs === 4);
  limit("longest slice of that compaction at sliceMs 4, ms", median(usual.runs.map(({ report }) => report.longestSliceMs)), LIMITS.pauseMs, 2);
}

/** Returns `[what, measured]` for everything, for a table. */
export function storedRows(stored) {
  const { build, node, native, browser, coldSearches, coldReads, trips, checkpoint } = stored;
  const ms = (value) => `${value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3)} ms`;
  const mega = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  const reopened = (rounds) => {
    const walls = rounds.map(({ wallMs }) => wallMs);
    const cpu = rounds[0].cpuMs === undefined ? "" : `, CPU ${ms(cpuOf(rounds))}`;
    return `${ms(median(walls))} (${ms(Math.min(...walls))} to ${ms(most(walls))})${cpu}`;
  };
  const rows = [
    ["built into a directory, with payloads", `${ms(build.wallMs)}, CPU ${ms(build.cpuMs)}; ${mega(build.storedBytes.segments)} of segments, ${mega(build.storedBytes.cold)} of blocks`],
    ["Node, reopen to the first answer", reopened(node.reopen)],
    [`the same with ${mega(node.reopenLongLog[0].logBytes)} of log`, reopened(node.reopenLongLog)],
  ];
  if (native.reopen) rows.push(["native, reopen to the first answer, records when they are needed", reopened(native.reopen)], ["the same with that log", reopened(native.reopenLongLog)]);
  for (const store of browser ? ["indexeddb", "opfs"] : []) {
    rows.push([`${browser.version}, ${store}, reopen to the first answer`, `${reopened(browser[store].reopen)}; opened in ${ms(median(browser[store].reopen.map(({ openedMs }) => openedMs)))}`]);
  }
  const p50 = (key) => ms(median(coldSearches.rounds.map((round) => round[key])));
  rows.push(
    ["search, p50: all records warm, without payloads", p50("warmMs")],
    ["all records cold and all blocks in memory, without payloads", p50("coldMs")],
    ["the same with payloads", p50("withPayloadMs")],
    [`record by id from the directory, maxBytes ${mega(coldReads.maxBytes)}`, `p50 ${ms(coldReads.p50Ms)}, p99 ${ms(coldReads.p99Ms)} of ${coldReads.missed} that were not in memory`],
    ["search with nothing of its records in memory", `${mean(trips.searches.map(({ keys }) => keys)).toFixed(1)} blocks in ${mean(trips.searches.map(({ calls }) => calls)).toFixed(2)} calls`],
    [`checkpoint after ${checkpoint.inserts} inserts, and opening again`, `${mega(checkpoint.bytes)} written, of ${mega(checkpoint.storedBytes)}; ${ms(checkpoint.wallMs)}`],
  );
  return rows;
}
