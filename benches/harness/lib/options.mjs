// The command line.
import { parseArgs } from "node:util";

const PARTS = ["curve", "maintenance", "stored", "sizes"];
const WIDTHS = [10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 200, 256, 400];

export const HELP = `cargo xtask bench [options]      (or: node benches/harness/run.mjs [options])

  --quick            25,000 rows, fewer rounds: under ten minutes. Without it: 100,000 rows, under forty.
  --rows N           another number of rows
  --rounds N         timed rounds of the search curve (their median counts)
  --builds N         builds of each contender but the slow peers (their median counts)
  --widths A,B       other search widths than the usual sixteen
  --only A,B         only these contenders (--list names them); ratios need hnswlib among them
  --with A,B         these optional contenders as well
  --parts A,B        only these of: curve, maintenance, stored, sizes
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
  const odd = parts.find((part) => !PARTS.includes(part));
  if (odd) throw new Error(`--parts: expected some of ${PARTS.join(", ")}, got ${odd}`);
  const widths = (list(values.widths)?.map(Number) ?? WIDTHS).sort((a, b) => a - b);
  if (widths.some((ef) => !Number.isInteger(ef) || ef < 1)) throw new Error(`--widths: expected whole numbers of at least 1, got ${values.widths}`);
  return {
    ...values,
    rows: count("rows", values.quick ? 25_000 : 100_000),
    rounds: count("rounds", values.quick ? 3 : 5),
    builds: count("builds", 2),
    widths,
    only: list(values.only),
    with: list(values.with) ?? [],
    parts,
    // What is kept with the project is a run of everything; anything less is somebody's experiment.
    whole: !values.only && !values.parts && !values.widths,
    m: 16,
    efConstruction: 200,
    k: 10,
  };
}
