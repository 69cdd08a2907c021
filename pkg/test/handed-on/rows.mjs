// One index passed between platforms: the records that it must contain. tests/stored/handed_on.rs repeats the same
// rules. Used in Node and in a page.

export const DIMENSIONS = 24;
/**
 * Each platform in turn writes rows up to this number, and deletes those of all rows so far whose number ends with the
 * digit.
 */
const HANDS = [["native", 300, 9], ["Node", 400, 8], ["browser", 500, 7]];

export const vectorOf = (row) =>
  Float32Array.from({ length: DIMENSIONS }, (_, at) => ((row * 31 + at * 17 + ((row * at) % 13)) % 101) / 101 - 0.5);

const idOf = (row) => (row % 3 === 0 ? `row ${row} é` : row);

function payloadOf(row) {
  if (row % 4 === 0) return undefined;
  if (row % 4 === 1) return Uint8Array.from({ length: row % 50 }, (_, at) => (row + at) % 256);
  return { row, by: HANDS.find(([, upTo]) => row < upTo)[0] };
}

const isLive = (row, hands) =>
  HANDS.slice(0, hands).some(([, upTo]) => row < upTo) && !HANDS.slice(0, hands).some(([, upTo, digit]) => row < upTo && row % 10 === digit);

const plain = (payload) => JSON.stringify(payload instanceof Uint8Array ? [...payload] : payload && Object.entries(payload).sort());

/** Throws unless the index has the right content after this many platforms. */
export async function verify(index, hands) {
  const hold = (truth, what) => {
    if (!truth) throw new Error(`after ${hands} hands: ${what}`);
  };
  const { ok, live, problems } = await index.check();
  hold(ok, problems.join());
  const rows = Array.from({ length: HANDS[hands - 1][1] }, (_, row) => row);
  hold(live === rows.filter((row) => isLive(row, hands)).length, `${live} records`);
  for (const row of rows) {
    const record = await index.get(idOf(row));
    hold((record !== undefined) === isLive(row, hands), `row ${row} is ${record ? "there" : "missing"}`);
    if (!record) continue;
    hold(record.vector.every((value, at) => value === vectorOf(row)[at]), `the vector of row ${row}`);
    hold(plain(record.payload) === plain(payloadOf(row)), `the payload of row ${row}: ${plain(record.payload)}`);
    const [nearest] = await index.search(vectorOf(row), { k: 1, ef: 200 });
    hold(nearest.id === idOf(row), `the nearest to row ${row} is ${nearest.id}`);
  }
}

/** Makes the changes of the platform of this number, counted from 1. */
export async function change(index, hand) {
  const [, upTo, digit] = HANDS[hand - 1];
  const from = HANDS[hand - 2][1];
  for (let row = from; row < upTo; row++) await index.insertWithId(idOf(row), vectorOf(row), payloadOf(row));
  for (let row = digit; row < upTo; row += 10) if (isLive(row, hand - 1) || row >= from) await index.delete(idOf(row));
  await index.compact();
}
