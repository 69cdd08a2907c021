// Samples of the last half minute of the index, for the live picture.

export const WINDOW_MS = 30_000;
const PERIOD_MS = 125;

export class History extends EventTarget {
  samples = [];

  constructor(engine, loop) {
    super();
    this.engine = engine;
    this.loop = loop;
  }

  start() {
    setInterval(() => this.sample(), PERIOD_MS);
  }

  /** Takes one sample. Event: "sample". */
  async sample() {
    const { index } = this.engine;
    if (!index || document.hidden) return;
    const stats = await index.stats().catch(() => undefined);
    // The index may have been replaced and closed meanwhile. The next sample shows the new one.
    if (!stats || index !== this.engine.index) return;
    const at = performance.now();
    this.samples.push({ at, stats, queries: this.loop.takeFresh() });
    while (this.samples[0].at < at - WINDOW_MS - PERIOD_MS) this.samples.shift();
    this.dispatchEvent(new Event("sample"));
  }

  get latest() {
    return this.samples.at(-1)?.stats;
  }
}
