// Saves a run: its record as a separate file, its plots, and its tables between the markers of docs/BENCHMARKS.md.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DOCUMENT, EXPERIMENTS, PLOTS, RECORDS } from "../lib/paths.mjs";
import { plotsOf } from "./plots.mjs";

const BEGIN = "<!-- bench:begin (cargo xtask bench --write regenerates what is between these marks) -->";
const END = "<!-- bench:end -->";

/**
 * Writes the record and returns its path. A run with local changes is marked, so that it is not mistaken for the
 * commit's.
 */
export function writeRecord(record, { whole }) {
  const folder = whole ? RECORDS : EXPERIMENTS;
  mkdirSync(folder, { recursive: true });
  const stamp = record.date.slice(0, 16).replace(/[:T]/g, "-");
  const path = join(folder, `${stamp}-${record.commit}${record.dirty ? "-dirty" : ""}.json`);
  writeFileSync(path, `${JSON.stringify(record, rounded, 1)}\n`);
  return path;
}

/** Rounds to six significant digits, more than any of these measurements has. */
const rounded = (_key, value) => (typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value);

/** Writes the plots that the tables refer to. */
export function writePlots(record) {
  mkdirSync(PLOTS, { recursive: true });
  for (const { file, svg } of record.sets.flatMap(plotsOf)) writeFileSync(join(PLOTS, file), svg());
}

export function writeDocument(tables) {
  const text = existsSync(DOCUMENT) ? readFileSync(DOCUMENT, "utf8") : `${BEGIN}\n${END}\n`;
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${DOCUMENT} has lost its marks: ${BEGIN} and ${END}`);
  writeFileSync(DOCUMENT, `${text.slice(0, from + BEGIN.length)}\n\n${tables}\n\n${text.slice(to)}`);
}
