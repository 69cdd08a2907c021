// Medians, quantiles and the reading of a curve.

export function median(values) {
  return quantile(values, 0.5);
}

/** Linear between the two nearest ranks; NaN of nothing. */
export function quantile(values, q) {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.ceil(at)] - sorted[low]) * (at - low);
}

/**
 * `key` of a curve's points at a given recall: between the two points around it, linear in recall and logarithmic in the
 * value. When even the narrowest search has that recall, its value is a lower bound of what could be had, and is given;
 * when none has it, undefined.
 */
export function atRecall(points, recall, key) {
  const sorted = [...points].sort((a, b) => a.ef - b.ef);
  const above = sorted.findIndex((point) => point.recall >= recall);
  if (above < 0) return undefined;
  const high = sorted[above];
  if (above === 0) return high[key];
  const low = sorted[above - 1];
  const share = (recall - low.recall) / (high.recall - low.recall);
  return Math.exp(Math.log(low[key]) + share * (Math.log(high[key]) - Math.log(low[key])));
}
