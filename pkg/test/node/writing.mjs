// A process that changes an index in a directory until it is killed:
//
//     node writing.mjs PATH ROUND DURABILITY
//
// Prints unbuffered lines: "open", then those of ledger.mjs.
import { writeSync } from "node:fs";
import { VectorIndex } from "thermocline";
import { changeEndlessly, DIMENSIONS } from "./endless.mjs";

const [path, round, durability] = process.argv.slice(2);
const say = (line) => void writeSync(1, `${line}\n`);

const index = await VectorIndex.open(path, { dimensions: DIMENSIONS, durability });
say("open");
index.compactWhenIdle();
await changeEndlessly(index, Number(round), say);
