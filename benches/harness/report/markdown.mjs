// The Markdown that reports need.

export function table(head, rows, align) {
  const rule = [...align.padEnd(head.length, "l")].map((side) => (side === "r" ? "--:" : "---"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Formats a number as an integer with separators; an empty string if it is not finite. */
export const whole = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "");
