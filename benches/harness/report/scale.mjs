// The scale part as tables: the cost of each shape, and how cost grows with the number of rows.
import { exponent, exponentOf } from "../lib/fits.mjs";
import { table, whole } from "./markdown.mjs";

const LEVELS = [0.95, 0.99];
/** The searches whose growth is shown: one at a fixed width, and one at each recall. */
const QUERIES = ["fixed", ...LEVELS];

export function scaled(entries) {
  const parts = [
    "Synthetic sets under l2, 500 queries; build once, QPS at recall@10 (\">=\": the narrowest width has more), opening until the first answer:",
    shapes(entries),
    "How CPU time grows with the number of rows: the b of time ~ n^b, and beside it the b that n log n (building) or log n (a query) would show over the same sizes. Time grows faster than work as long as an index outgrows caches, and at a recall it depends on how much harder or easier more rows make a set; sizes at which the narrowest width has the recall already are left out:",
    growth(entries),
  ];
  const gaps = entries.flatMap(({ rows, dimensions, contenders }) =>
    contenders.filter((one) => one.notRun).map((one) => `- ${rows.toLocaleString("en")} x ${dimensions}, ${one.name}: ${one.notRun}`),
  );
  if (gaps.length) parts.push(`Not run, or not to the end:\n\n${gaps.join("\n")}`);
  return parts;
}

function shapes(entries) {
  const columns = ["rows x dimensions", "contender", "build/s", "build/s CPU", "QPS .95", "per CPU-s", "QPS .99", "per CPU-s", "resident B/vec", "codes+links+ids", "open ms", "rows in 4 GiB", "vectors cold"];
  const rows = entries.flatMap((entry) =>
    entry.contenders.filter((one) => one.build).map(({ name, place, build, at, memory, store }) => [
      `${entry.rows.toLocaleString("en")} x ${entry.dimensions}`,
      name,
      whole(build.perSecondWall),
      whole(build.perSecondCpu),
      ...LEVELS.flatMap((level) => [qps(at?.[level]), whole(at?.[level]?.qpsCpu)]),
      whole(memory?.residentBytes / entry.rows),
      whole(memory?.bytesPerVector),
      whole(store?.reopenMs),
      // wasm32 cannot address more.
      place === "wasm" ? thousands(2 ** 32 / (memory?.residentBytes / entry.rows)) : "",
      place === "wasm" ? thousands(2 ** 32 / memory?.bytesPerVector) : "",
    ]),
  );
  return table(columns, rows, `ll${"r".repeat(columns.length - 2)}`);
}

function qps(at) {
  if (!at) return "";
  return at.qpsWall ? (at.bound ? ">= " : "") + whole(at.qpsWall) : "never";
}

/** Rounds down to whole thousands. */
const thousands = (value) => whole(Math.floor(value / 1000) * 1000);

/** Returns a row for each contender and number of dimensions measured at two or more sizes. */
function growth(entries) {
  const rows = [];
  for (const dimensions of new Set(entries.map((entry) => entry.dimensions))) {
    const sized = entries.filter((entry) => entry.dimensions === dimensions);
    for (const { name } of sized[0].contenders) {
      const points = (cost) =>
        sized
          .map((entry) => ({ n: entry.rows, cost: cost(entry.contenders.find((one) => one.name === name), entry.rows) }))
          .filter((point) => Number.isFinite(point.cost));
      const build = points((one, n) => n / one?.build?.perSecondCpu);
      const queries = QUERIES.map((level) => points((one) => (one?.at?.[level]?.bound ? NaN : 1 / one?.at?.[level]?.qpsCpu)));
      const both = (of, law) => (of.length > 1 ? [exponent(of).toFixed(3), exponentOf(law, of).toFixed(3)] : ["", ""]);
      if (build.length > 1) rows.push([dimensions, name, ...both(build, (n) => n * Math.log(n)), ...queries.flatMap((query) => both(query, Math.log))]);
    }
  }
  return table(["dimensions", "contender", "build", "n log n", "query, ef 64", "log n", "query .95", "log n", "query .99", "log n"], rows, "llrrrrrrrr");
}
