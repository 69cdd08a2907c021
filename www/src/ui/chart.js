// One small picture over time: areas stacked on each other, an optional line, or bars from a median to a maximum.

import { WINDOW_MS } from "../history.js";
import { svg } from "./dom.js";

const LEFT = 4;
const TOP = 16;

/** The next round number at or above `value`: 1, 2, 3, 4, 5, 6 or 8 times a power of ten. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value) ?? 10);
}

export class TimeChart {
  #host;
  #plan;
  #width = 300;
  #height = 90;

  /**
   * @param {SVGSVGElement} host
   * @param {object} plan `areas`: [{ className, value(sample) }] from the bottom up; `line`: { className, value };
   *   `bars`: sample -> { median, slowest } | undefined; `unit`: the upper edge is a round number of these (default 1);
   *   `label(top)`: the text of the upper edge
   */
  constructor(host, plan) {
    this.#host = host;
    this.#plan = plan;
    new ResizeObserver(([{ contentRect }]) => {
      this.#width = Math.max(120, contentRect.width);
      this.#height = Math.max(40, contentRect.height);
    }).observe(host);
  }

  /** Draws the samples of the window that ends at `now`, with bands where compactions ran. */
  draw(samples, compactions, now) {
    const { areas = [], line, bars, label, unit = 1 } = this.#plan;
    const peak = Math.max(...samples.map((sample) => this.#peak(sample)), 0);
    const top = (peak > 0 ? roundUp(peak / unit) : 1) * unit;
    const x = (time) => LEFT + (1 - (now - time) / WINDOW_MS) * (this.#width - 2 * LEFT);
    const y = (value) => this.#height - 1 - (value / top) * (this.#height - TOP - 1);

    this.#host.setAttribute("viewBox", `0 0 ${this.#width} ${this.#height}`);
    this.#host.replaceChildren(
      ...this.#stack(samples, areas, x, y),
      ...this.#bands(compactions, x, now),
      ...(line ? [svg("path", { class: line.className, d: path(samples.map((s) => [x(s.at), y(line.value(s))])) })] : []),
      ...(bars ? this.#bars(samples, bars, x, y) : []),
      svg("line", { class: "edge", x1: LEFT, x2: this.#width - LEFT, y1: TOP, y2: TOP }),
      svg("line", { class: "edge", x1: LEFT, x2: this.#width - LEFT, y1: this.#height - 1, y2: this.#height - 1 }),
      svg("text", { class: "edge-label", x: LEFT, y: TOP - 4 }, peak > 0 ? label(top) : "nothing yet"),
    );
  }

  #peak(sample) {
    const { areas = [], line, bars } = this.#plan;
    const stacked = areas.reduce((sum, area) => sum + area.value(sample), 0);
    return Math.max(stacked, line?.value(sample) ?? 0, bars?.(sample)?.slowest ?? 0);
  }

  #bands(compactions, x, now) {
    return compactions
      .filter(({ endedAt }) => endedAt > now - WINDOW_MS)
      .map(({ startedAt, endedAt }) => {
        const from = Math.max(LEFT, x(startedAt));
        const width = Math.max(2, x(Math.min(endedAt, now)) - from);
        return svg("rect", { class: "band", x: from, y: TOP, width, height: this.#height - TOP });
      });
  }

  #stack(samples, areas, x, y) {
    if (samples.length === 0) return [];
    let floor = samples.map(() => 0);
    return areas.map(({ className, value }) => {
      const ceiling = samples.map((sample, i) => floor[i] + value(sample));
      const upper = samples.map((sample, i) => [x(sample.at), y(ceiling[i])]);
      const lower = samples.map((sample, i) => [x(sample.at), y(floor[i])]).reverse();
      floor = ceiling;
      return svg("path", { class: className, d: `${path([...upper, ...lower])}Z` });
    });
  }

  #bars(samples, bars, x, y) {
    const medians = [];
    let spans = "";
    for (const sample of samples) {
      const times = bars(sample);
      if (!times) continue;
      const at = x(sample.at).toFixed(1);
      spans += `M${at} ${y(times.median).toFixed(1)}V${y(times.slowest).toFixed(1)}`;
      medians.push(`M${at} ${(y(times.median) + 1.5).toFixed(1)}v-3`);
    }
    return [svg("path", { class: "latency-span", d: spans }), svg("path", { class: "latency-median", d: medians.join("") })];
  }
}

function path(points) {
  return points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}
