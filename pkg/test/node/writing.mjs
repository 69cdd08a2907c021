// A process that changes an index in a directory until it is killed:
//
//     node writing.mjs PATH ROUND DURABILITY
//
// Prints unbuffered lines: "open", "+ID" when an insert is acknowledged, "?ID" before a delete, "-ID" when it is
// acknowledged; "*SERIAL" and ".SERIAL" before and after a call of `insertMany`.
import { writeSync } from "node:fs";
import { VectorIndex } from "thermocline";
import { random } from "./helpers.mjs";
import { MANY } from "./many.mjs";

const [path, round, durability] = process.argv.slice(2);
const next = random(Number(round) + 1);
const vector = () => Float32Array.from({ length: 16 }, () => next() - 0.5);
const payload = new Uint8Array(3000).fill(Number(round));
const say = (text) => writeSync(1, `${text}\n`);

const index = await VectorIndex.open(path, { dimensions: 16, durability });
say("open");
index.compactWhenIdle();
const live = [];
for (let serial = 0; ; serial++) {
  const id = (i) => `${round}-${serial}-${i}`;
  const put = async (i) => {
    await index.upsert(id(i), vector(), payload);
    say(`+${id(i)}`);
    live.push(id(i));
  };
  const kind = next();
  if (kind < 0.3) await put(0);
  else if (kind < 0.6) await Promise.all(Array.from({ length: 8 }, (_, i) => put(i)));
  else if (kind < 0.8) {
    const rows = Array.from({ length: MANY }, (_, i) => ({ id: id(i), vector: vector(), payload }));
    say(`*${serial}`);
    for (const done of await index.insertMany(rows)) {
      say(`+${done}`);
      live.push(done);
    }
    say(`.${serial}`);
  } else {
    const gone = live.splice(0, 10);
    for (const each of gone) say(`?${each}`);
    await index.deleteMany(gone);
    for (const each of gone) say(`-${each}`);
  }
}
