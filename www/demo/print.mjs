// How the demo looks on a terminal: headings, aligned figures, neighbours, and claims that are checked.

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = paint("1");
export const dim = paint("2");
const green = paint("32");
const red = paint("31");
const cyan = paint("36");

const LABEL_WIDTH = 26;

export function heading(text) {
  console.log(`\n${cyan("──")} ${bold(text)} ${cyan("─".repeat(Math.max(3, 74 - text.length)))}`);
}

/** One figure: a label on the left, its value in an aligned column. */
export function figure(label, value) {
  console.log(`   ${label.padEnd(LABEL_WIDTH)}${value}`);
}

/** A table with right-aligned cells after the first column. */
export function table(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[i]))).join("   ");
  console.log(`   ${dim(line(head))}`);
  for (const row of rows) console.log(`   ${line(row)}`);
}

/** Text cut to `width` columns, with an ellipsis where something is missing. */
export function clip(text, width) {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** Collects what the demo verifies. Each claim is printed with its outcome; one false claim fails the run. */
export class Claims {
  #failed = [];
  #total = 0;

  check(holds, text) {
    this.#total += 1;
    if (!holds) this.#failed.push(text);
    console.log(`   ${holds ? green("✓") : red("✗ NOT TRUE:")} ${text}`);
  }

  /** Prints the verdict; true when everything held. */
  conclude() {
    heading("Verdict");
    if (this.#failed.length === 0) {
      console.log(`   ${green(`✓ all ${this.#total} claims above were verified in this run`)}`);
      return true;
    }
    console.log(`   ${red(`✗ ${this.#failed.length} of ${this.#total} claims were not true:`)}`);
    for (const text of this.#failed) console.log(`     - ${text}`);
    return false;
  }
}
