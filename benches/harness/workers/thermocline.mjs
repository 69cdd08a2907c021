// thermocline in Node.
import { readFileSync, writeFileSync } from "node:fs";
import { VectorIndex } from "./package.mjs";
import { FileRows, keepIds, numbersIn, rowsIn, serve, timed } from "./serve.mjs";
import { Subject } from "./subject.mjs";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const subject = new Subject({ VectorIndex, timed, turn });

await serve({
  open: (given) => subject.open(given, new FileRows(given.base, given.dimensions), rowsIn(given.queries, given.dimensions)),
  use: ({ queries }) => void (subject.queries = rowsIn(queries, subject.set.dimensions)),
  create: (given) => subject.create(given),
  insert: ({ rows, ...range }) => subject.insert({ ...range, rows: rows && numbersIn(rows) }),
  search: async ({ ids, ...how }) => keepIds(ids, await subject.search(how)),
  memory: () => subject.memory(),
  delete: ({ rows }) => subject.delete(numbersIn(rows)),
  compact: (given) => subject.compact(given),
  check: () => subject.check(),
  save: ({ path }) => subject.save((bytes) => writeFileSync(path, bytes)),
  reopen: ({ path }) => subject.reopen(() => readFileSync(path)),
  calm: (given) => subject.calm(given),
  compactWhileSearching: (given) => subject.compactWhileSearching(given),
});
