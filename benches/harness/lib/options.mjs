// The command line.
import { parseArgs } from "node:util";

const PARTS = ["curve", "outside", "deletes", "maintenance", "stored", "sizes"];
/** Takes an hour or more and runs only if named. */
const ASKED_FOR = ["scale"];
const WIDTHS = [10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 200, 256, 400];
const QUICK_WIDTHS = [10, 12, 16, 24, 32, 48, 64, 96, 128, 200];

export const HELP = `cargo xtask bench [options]      (or: node benches/harness/run.mjs [options])

  --quick            25,000 rows, fewer rounds: under ten minutes. Without it: 100,000 rows, under forty.
  --rows N           another number of rows
  --rounds N         timed rounds of the search curve (their median counts)
  --builds N         builds of thermocline and of hnswlib (their median counts); the others build once
  --widths A,B       other search widths than the usual sixteen
  --only A,B         only these contenders (--list names them); ratios need hnswlib among them
  --with A,B         these optional contenders as well
  --quantization Q   what thermocline is measured with where one is enough: int8 (default), binary, product
  --slow             also what takes minutes: compaction in edgevec
  --parts A,B        only these of: curve, outside, deletes, maintenance, stored, sizes; and scale, which no run does unasked
  --scale-rows A,B   sizes of the scale part (default 10000,31600,100000)
  --scale-dims A,B   its dimensions (default 128,384,768,1536)
  --write            regenerate the table in docs/BENCHMARKS.md from this run
  --from FILE        no run: print (and with --write, write) the report of a record of an earlier one
  --list             name the contenders

  A run of everything is kept in benches/records, any other in benches/.peers/records.

  THERMOCLINE_DATA   a folder with base.f16.npy, queries.f16.npy and, for all its rows, gt.i32.npy. Without it: the
                     repository's sample of 5,000 and a synthetic set made in place.`;

export function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      quick: { type: "boolean", default: false },
      rows: { type: "string" },
      rounds: { type: "string" },
      builds: { type: "string" },
      widths: { type: "string" },
      only: { type: "string" },
      with: { type: "string" },
      parts: { type: "string" },
      quantization: { type: "string", default: "int8" },
      slow: { type: "boolean", default: false },
      "scale-rows": { type: "string" },
      "scale-dims": { type: "string" },
      from: { type: "string" },
      write: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const list = (text) => text?.split(",").map((word) => word.trim()).filter(Boolean);
  const count = (name, fallback) => {
    if (values[name] === undefined) return fallback;
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 1) throw new Error(`--${name}: expected a whole number of at least 1, got ${values[name]}`);
    return number;
  };
  const parts = list(values.parts) ?? PARTS;
  const known = [...PARTS, ...ASKED_FOR];
  const odd = parts.find((part) => !known.includes(part));
  if (odd) throw new Error(`--parts: expected some of ${known.join(", ")}, got ${odd}`);
  const counts = (name, fallback) => {
    const numbers = (list(values[name])?.map(Number) ?? fallback).sort((a, b) => a - b);
    if (numbers.some((one) => !Number.isInteger(one) || one < 1)) throw new Error(`--${name}: expected whole numbers of at least 1, got ${values[name]}`);
    return numbers;
  };
  return {
    ...values,
    rows: count("rows", values.quick ? 25_000 : 100_000),
    rounds: count("rounds", values.quick ? 3 : 5),
    builds: count("builds", values.quick ? 1 : 2),
    // Queries in a timed pass; a smaller set is repeated.
    pass: values.quick ? 1000 : 2000,
    widths: counts("widths", values.quick ? QUICK_WIDTHS : WIDTHS),
    scale: { rows: counts("scale-rows", [10_000, 31_600, 100_000]), dimensions: counts("scale-dims", [128, 384, 768, 1536]) },
    only: list(values.only),
    with: list(values.with) ?? [],
    parts,
    // Only a complete run is kept with the project; anything less is an experiment.
    whole: !values.only && !values.parts && !values.widths,
    m: 16,
    efConstruction: 200,
    k: 10,
  };
}
