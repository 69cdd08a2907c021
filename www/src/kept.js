// The index that this browser keeps: under which name it is, and whether the whole of it is there.
//
// There are two names, and localStorage says which of them is that of the whole index. An import is stored under the
// other one before it takes the place of the index that is there. So whenever the tab ends, and whenever the browser has
// no more room, one of the two is whole. What is left under the other name is removed when the index is opened again.

import { VectorIndex } from "thermocline";

const NAMES = ["wordnet glosses", "wordnet glosses, beside"];
/** An index is built under this name, and is there without the mark while it is built. */
const [FIRST] = NAMES;
/** Key in localStorage of the name of the whole index. */
const WHOLE = `thermocline: ${FIRST}`;
/** After a reload, the lock may be taken until the browser has ended the page that was there before. */
const LOCK_TRIES = 6;
const LOCK_PAUSE_MS = 200;

/** Undefined when no index is whole. A value that is no name, but says when the index was made, means the first. */
function wholeName() {
  const kept = localStorage.getItem(WHOLE);
  if (kept === null) return undefined;
  return NAMES.includes(kept) ? kept : FIRST;
}

function freeName() {
  const taken = wholeName() ?? FIRST;
  return NAMES.find((name) => name !== taken);
}

/** Opens the whole index. Undefined when there is none: one whose making was cut off is made anew. */
export async function openKept(mode) {
  for (let tries = 1; ; tries++) {
    const whole = wholeName();
    try {
      const index = await VectorIndex.open(whole ?? FIRST, { mode });
      // Meanwhile another tab may have put one in its place, or a reader reads what another tab builds.
      if (mode === "readonly" || (whole && whole === wholeName())) return index;
      await index.close();
    } catch (error) {
      if (error.code === "LOCKED" && tries < LOCK_TRIES) {
        await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE_MS));
        continue;
      }
      if (error.code !== "NOT_FOUND") throw error;
    }
    if (whole === wholeName()) return undefined;
  }
}

/** Makes the index, which `fill` fills, where there is none. */
export function makeKept(options, fill) {
  return made(FIRST, () => VectorIndex.open(FIRST, options), fill);
}

/**
 * Stores the index of exported bytes beside the one that is there. Once it has passed `check`, it is the one that is
 * kept.
 */
export async function importKept(bytes, check) {
  const name = freeName();
  await VectorIndex.destroy(name);
  return made(name, () => VectorIndex.import(bytes, { name }), check);
}

/** A failure leaves nothing under the name, neither bytes, which take room, nor the lock, which the next try needs. */
async function made(name, make, finish) {
  let index;
  try {
    index = await make();
    await finish(index);
    localStorage.setItem(WHOLE, name);
    return index;
  } catch (error) {
    await index?.close().catch(() => {});
    await VectorIndex.destroy(name).catch(() => {});
    throw error;
  }
}

/** Removes what is kept under either name. The mark goes last: without it, an index that is still there would be lost. */
export async function removeKept() {
  for (const name of NAMES) await VectorIndex.destroy(name);
  localStorage.removeItem(WHOLE);
}

/** Removes what is stored beside the whole index. What cannot be removed now is removed another time. */
export async function removeLeftover() {
  await VectorIndex.destroy(freeName()).catch(() => {});
}
