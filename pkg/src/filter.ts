// Filters that are objects: MongoDB's query operators over payloads. A script of its own; the matching of one payload is the library sift's.
//
// A search walks without knowing payloads. It asks the filter of ids; of those that the filter has not looked at yet an answer is guessed,
// and after the search their payloads are read, all in one go where they are in the store only. It then runs again, until nothing had to be
// guessed: what it finds is what it would find if all had been known before.
import { $all, $and, $elemMatch, $eq, $exists, $gt, $gte, $in, $lt, $lte, $ne, $nin, $nor, $not, $options, $or, $regex, $size, createQueryTester } from "sift";
import { checkFilter } from "./filter-check.js";
import { checkAborted, fail } from "./guard.js";
import type { Handle } from "./handle.js";
import { decodePayloads } from "./payload.js";
import type { RawIndex } from "./raw.js";
import type { Reading } from "./search-many.js";
import { Slice } from "./turn.js";
import type { Hit, Id, Payload } from "./types.js";

/** No more are looked at together: each may be in a block of its own, and more would fill the memory that those are read into. */
const LOOKED_AT = 64;
const SLICE_MS = 8;
/** Filters whose answers are kept when no search uses them. */
const MOST_FILTERS = 8;
/** Answers that are kept, of all filters together, each about 40 bytes. */
const MOST_ANSWERS = 1 << 20;

const operations = { $all, $and, $elemMatch, $eq, $exists, $gt, $gte, $in, $lt, $lte, $ne, $nin, $nor, $not, $options, $or, $regex, $size };

/** What one filter has said of records. An answer holds until its record goes: see `Handle.forget`. */
export interface Answers {
  readonly of: Map<Id, boolean>;
  /** Searches that are using them. */
  users: number;
}

/**
 * The hits of `find`, which searches with the predicate that it is given, among records whose payloads match. INVALID_FILTER; ABORTED,
 * and CLOSED when the index is closed meanwhile.
 */
export async function filtered(
  handle: Handle,
  reading: Reading,
  filter: unknown,
  signal: AbortSignal | undefined,
  find: (passes: (id: Id) => boolean) => Hit[] | Promise<Hit[]>,
): Promise<Hit[]> {
  const text = checkFilter(filter);
  const matches = matcher(text);
  const answers = answersOf(handle, text);
  const slice = new Slice(SLICE_MS);
  // How many this search has asked about, and how many of them match, each with one to begin with.
  let asked = 1;
  let passed = 1;

  const lookAt = (ids: readonly Id[]) => (raw: RawIndex): void => {
    const there = ids.filter((id) => raw.locate(id) >= 0);
    const payloads = decodePayloads(raw.payloadsAt(Uint32Array.from(there, (id) => raw.locate(id))), there.length);
    there.forEach((id, i) => {
      const match = matches(payloads[i]);
      answers.of.set(id, match);
      asked += 1;
      if (match) passed += 1;
    });
  };

  try {
    for (;;) {
      const guesses = new Map<Id, boolean>();
      // As many of them pass as of those that were looked at, evenly spread: with too many it ends too early, with too few it looks too far.
      const share = passed / asked;
      let due = 0;
      const hits = await find((id) => {
        const known = answers.of.get(id) ?? guesses.get(id);
        if (known !== undefined) return known;
        due += share;
        const guess = due >= 1;
        if (guess) due -= 1;
        guesses.set(id, guess);
        return guess;
      });
      if (!guesses.size) return hits;
      const ids = [...guesses.keys()];
      for (let at = 0; at < ids.length; at += LOOKED_AT) {
        await reading(lookAt(ids.slice(at, at + LOOKED_AT)), signal);
        if (slice.over) await slice.next();
        handle.checkOpen();
        checkAborted(signal);
      }
    }
  } finally {
    answers.users -= 1;
    trim(handle.said);
  }
}

/** True for payloads that match. One that is no object has no fields. */
function matcher(text: string): (payload: Payload | undefined) => boolean {
  try {
    const test = createQueryTester<unknown>(JSON.parse(text), { operations });
    return (payload) => test(typeof payload === "object" && payload !== null && !Array.isArray(payload) && !(payload instanceof Uint8Array) ? payload : {});
  } catch (error) {
    fail("INVALID_FILTER", `filter: ${(error as Error)?.message ?? error}`, error);
  }
}

function answersOf({ said }: Handle, text: string): Answers {
  const answers = said.get(text) ?? { of: new Map(), users: 0 };
  answers.users += 1;
  // The last in it is the one that was used last.
  said.delete(text);
  said.set(text, answers);
  return answers;
}

/** Gives up the answers of filters that were used longest ago, until few enough are left. */
function trim(said: Map<string, Answers>): void {
  let kept = 0;
  for (const { of } of said.values()) kept += of.size;
  for (const [text, { of, users }] of said) {
    if (said.size <= MOST_FILTERS && kept <= MOST_ANSWERS) return;
    if (users) continue;
    said.delete(text);
    kept -= of.size;
  }
}
