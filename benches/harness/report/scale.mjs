// The scale part as tables: what each shape costs, and how cost grows with rows.
import { exponent, exponentOf } from "../lib/fits.mjs";
import { table, whole } from "./markdown.mjs";

const LEVEL = 0.95;

export function scaled(entries) {
  const parts = [
    "Synthetic sets under l2, 500 queries; build once, recall@10 of .95, opening until the first answer:",
    shapes(entries),
    "How CPU time grows with the number of rows: the b of time ~ n^b, and beside it the b that n log n (building) or log n (a query) would show over the same sizes:",
    growth(entries),
  ];
  const gaps = entries.flatMap(({ rows, dimensions, contenders }) =>
    contenders.filter((one) => one.notRun).map((one) => `- ${rows.toLocaleString("en")} x ${dimensions}, ${one.name}: ${one.notRun}`),
  );
  if (gaps.length) parts.push(`Not run, or not to the end:\n\n${gaps.join("\n")}`);
  return parts;
}

function shapes(entries) {
  const columns = ["rows x dimensions", "contender", "build/s", "build/s CPU", "QPS .95", "per CPU-s", "resident B/vec", "codes+links+ids", "open ms", "rows in 4 GiB", "vectors cold"];
  const rows = entries.flatMap((entry) =>
    entry.contenders.filter((one) => one.build).map(({ name, place, build, at, memory, store }) => [
      `${entry.rows.toLocaleString("en")} x ${entry.dimensions}`,
      name,
      whole(build.perSecondWall),
      whole(build.perSecondCpu),
      at ? whole(at[LEVEL].qpsWall) || "never" : "",
      whole(at?.[LEVEL].qpsCpu),
      whole(memory?.residentBytes / entry.rows),
      whole(memory?.bytesPerVector),
      whole(store?.reopenMs),
      // More than that wasm32 cannot address.
      place === "wasm" ? thousands(2 ** 32 / (memory?.residentBytes / entry.rows)) : "",
      place === "wasm" ? thousands(2 ** 32 / memory?.bytesPerVector) : "",
    ]),
  );
  return table(columns, rows, `ll${"r".repeat(columns.length - 2)}`);
}

/** Down to whole thousands. */
const thousands = (value) => whole(Math.floor(value / 1000) * 1000);

/** A row for each contender and number of dimensions that was measured at two sizes at least. */
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
      const query = points((one) => 1 / one?.at?.[LEVEL].qpsCpu);
      const both = (of, law) => (of.length > 1 ? [exponent(of).toFixed(3), exponentOf(law, of).toFixed(3)] : ["", ""]);
      if (build.length > 1) rows.push([dimensions, name, ...both(build, (n) => n * Math.log(n)), ...both(query, Math.log)]);
    }
  }
  return table(["dimensions", "contender", "build", "n log n", "query", "log n"], rows, "llrrrr");
}
