// A process that makes random changes in a directory until it is killed:
//
//     node writer.mjs STORES PATH SEED DURABILITY
//
// Prints "open", and then a line for each successful step, unbuffered.
import { writeSync } from "node:fs";
import { random, randomStep, take } from "./model.mjs";

const [stores, path, seed, durability] = process.argv.slice(2);
const { openDirectory } = await import(stores);
const store = await openDirectory(path, { durability });
writeSync(1, "open\n");
const next = random(Number(seed));
for (let serial = 1; ; serial++) {
  await take(store, randomStep(next, serial, 60_000));
  writeSync(1, "done\n");
}
