// The index stored in this browser: its name, and whether it is complete.
//
// There are two names, and localStorage says which one has the complete index. An import is stored under the other name
// before it replaces the existing index. So one of the two is complete whenever the tab ends or the browser runs out of
// space. Leftovers under the other name are removed when the index is opened again.

import { VectorIndex } from "thermocline";

const NAMES = ["wordnet glosses", "wordnet glosses, beside"];
/** An index is built under this name; during the build it exists without the mark in localStorage. */
const [FIRST] = NAMES;
/** localStorage key for the name of the complete index. */
const WHOLE = `thermocline: ${FIRST}`;
/** After a reload, the lock may be held until the browser has ended the previous page. */
const LOCK_TRIES = 6;
const LOCK_PAUSE_MS = 200;

/** Returns the name of the complete index; undefined if there is none. */
function wholeName() {
  return localStorage.getItem(WHOLE) ?? undefined;
}

/** Returns whether there is a complete index. */
export const isKept = () => wholeName() !== undefined;

function freeName() {
  const taken = wholeName() ?? FIRST;
  return NAMES.find((name) => name !== taken);
}

/**
 * Opens the complete index. Undefined if there is none: what was interrupted during its build, or is being built by
 * another tab, is not complete.
 */
export async function openKept(mode) {
  for (let tries = 1; ; tries++) {
    const whole = wholeName();
    // A reader waits for no lock, so it would open what another tab is building.
    if (!whole && mode === "readonly") return undefined;
    try {
      const index = await VectorIndex.open(whole ?? FIRST, { mode });
      // Meanwhile another tab may have replaced it.
      if (whole && whole === wholeName()) return index;
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

/** Creates the index and fills it with `fill`. */
export function makeKept(options, fill) {
  return made(FIRST, () => VectorIndex.open(FIRST, options), fill);
}

/** Stores the index of exported bytes beside the existing one. Once it has passed `check`, it replaces that one. */
export async function importKept(bytes, check) {
  const name = freeName();
  await VectorIndex.destroy(name);
  return made(name, () => VectorIndex.import(bytes, { name }), check);
}

/**
 * On failure leaves nothing under the name: neither bytes, which take space, nor the lock, which the next attempt
 * needs.
 */
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

/**
 * Removes what is stored under either name. The mark is removed last: without it, an index that is still there would be
 * lost.
 */
export async function removeKept() {
  for (const name of NAMES) await VectorIndex.destroy(name);
  localStorage.removeItem(WHOLE);
}

/** Removes leftovers beside the complete index. If that fails, they are removed another time. */
export async function removeLeftover() {
  await VectorIndex.destroy(freeName()).catch(() => {});
}
