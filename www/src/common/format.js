// Figures as people read them, the same on the terminal and on the page.

export const count = (value) => Math.round(value).toLocaleString("en-US");

export const percent = (value, digits = 1) => `${(value * 100).toFixed(digits)} %`;

export const milliseconds = (value) => `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;

/**
 * A time by a page's clock, which browsers round to a tenth of a millisecond or more: no digits that it cannot have.
 */
export const clockMilliseconds = (value) => (value < 0.1 ? "< 0.1 ms" : `${value.toFixed(value < 100 ? 1 : 0)} ms`);

export function bytes(value) {
  const size = Math.abs(value);
  if (size < 1024) return `${value} B`;
  return size < 1024 * 1024 ? `${(value / 1024).toFixed(1)} KiB` : `${(value / (1024 * 1024)).toFixed(2)} MiB`;
}
