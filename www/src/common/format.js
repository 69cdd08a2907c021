// Human-readable figures, the same on the terminal and on the page.

export const count = (value) => Math.round(value).toLocaleString("en-US");

export const percent = (value, digits = 1) => `${(value * 100).toFixed(digits)} %`;

export const milliseconds = (value) => `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;

/**
 * A time from a page's clock, without the digits that it lacks: browsers round it to a tenth of a millisecond or more.
 */
export const clockMilliseconds = (value) => (value < 0.1 ? "< 0.1 ms" : `${value.toFixed(value < 100 ? 1 : 0)} ms`);

export function bytes(value) {
  const size = Math.abs(value);
  if (size < 1024) return `${value} B`;
  return size < 1024 * 1024 ? `${(value / 1024).toFixed(1)} KiB` : `${(value / (1024 * 1024)).toFixed(2)} MiB`;
}
