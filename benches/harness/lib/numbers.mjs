// Medians, quantiles, and reading values off a curve.

export function median(values) {
  return quantile(values, 0.5);
}

/** Interpolates linearly between the two nearest ranks; NaN for no values. */
export function quantile(values, q) {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.ceil(at)] - sorted[low]) * (at - low);
}

/**
 * Returns `key` of a curve at a given recall, interpolated between the two points around it, linear in recall and
 * logarithmic in the value. If even the narrowest search has that recall, returns its value, which is a lower bound; if
 * none has it, undefined.
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
