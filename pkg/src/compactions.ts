// Totals of the compactions of an open index, for metrics.ts.
import type { CompactionReport } from "./types.js";

export class Compactions {
  /**
   * A histogram of durations: for each bound in seconds, the number of compactions that took at most that long and
   * longer than the previous bound. Those above the last bound are only in `count`.
   */
  readonly durations: [seconds: number, count: number][] = [0.001, 0.01, 0.1, 1, 10, 100].map((seconds) => [seconds, 0]);
  count = 0;
  last: CompactionReport | undefined;
  /** Sum of all durations. */
  seconds = 0;
  readonly reclaimedBytes = { graph: 0, codes: 0, warm: 0, cold: 0 };
  /** Number of compactions that ended with an error. */
  failures = 0;
  /** When the last one ended, in milliseconds since 1970. */
  lastMs: number | undefined;

  /** Counts a completed compaction. */
  ended(report: CompactionReport): void {
    this.last = report;
    const { durationMs, reclaimedBytes } = report;
    const seconds = durationMs / 1000;
    const bucket = this.durations.find(([bound]) => seconds <= bound);
    if (bucket) bucket[1] += 1;
    this.count += 1;
    this.seconds += seconds;
    for (const part of ["graph", "codes", "warm", "cold"] as const) this.reclaimedBytes[part] += reclaimedBytes[part];
    this.lastMs = Date.now();
  }

  /** Adds bytes that a compaction has freed in the store, to its report as well. */
  freed({ reclaimedBytes }: CompactionReport, bytes: number): void {
    reclaimedBytes.cold += bytes;
    reclaimedBytes.total += bytes;
    this.reclaimedBytes.cold += bytes;
  }
}
