// Markdown, as far as reports need it.

export function table(head, rows, align) {
  const rule = [...align.padEnd(head.length, "l")].map((side) => (side === "r" ? "--:" : "---"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** A number without its fraction, with separators; nothing for what is no number. */
export const whole = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "");
