// Filters that are objects, conditions on payloads. A script of its own.
//
// A search walks without knowing payloads. It asks the filter of ids; of those that the filter has not looked at yet an answer is guessed,
// and after the search their payloads are read, all in one go where they are in the store only. It then runs again, until nothing had to be
// guessed: what it finds is what it would find if all had been known before.
import { checkFilter, isObject } from "./filter-check.js";
import { matcher, type Fields } from "./filter-match.js";
import { checkAborted, fail, shown } from "./guard.js";
import type { Handle } from "./handle.js";
import { decodePayloads } from "./payload.js";
import type { RawIndex } from "./raw.js";
import type { Reading } from "./search-many.js";
import { BULK_SLICE_MS, Slice } from "./turn.js";
import type { Hit, Id } from "./types.js";

/** No more are looked at together: each may be in a block of its own, and more would fill the memory that those are read into. */
const LOOKED_AT = 64;
/** Filters whose answers are kept when no search uses them. */
const MOST_FILTERS = 8;
/** Answers that are kept, of all filters together but the one that was used last. */
const MOST_ANSWERS = 1 << 20;

/** What one filter has said of records, by their ids. An answer holds until its id may be another record's: see `Handle.forget`. */
export interface Answers {
  /** Asks it of a payload. */
  readonly matches: (payload: Fields) => boolean;
  readonly of: Map<Id, boolean>;
  /** Searches that are using them. */
  users: number;
}

/**
 * The hits of `find`, which searches with the predicate that it is given, among records whose payloads match. `find` and `reading` end
 * with the signal by themselves. INVALID_FILTER; ABORTED, and CLOSED when the index is closed meanwhile.
 */
export async function filtered(
  handle: Handle,
  reading: Reading,
  filter: unknown,
  signal: AbortSignal | undefined,
  find: (passes: (id: Id) => boolean) => Hit[] | Promise<Hit[]>,
): Promise<Hit[]> {
  const { text, plain } = checkFilter(filter);
  checkAborted(signal);
  if (text === "{}") return find(() => true);
  const answers = answersOf(handle, text, plain);
  const slice = new Slice(BULK_SLICE_MS);
  // How many this search has asked about, and how many of them match, each with one to begin with.
  let asked = 1;
  let passed = 1;
  /** What matching has thrown: inside of a call into the core it would be a fault of the core. */
  const failures: { error: unknown; id: Id }[] = [];

  const lookAt = (ids: readonly Id[]) => (raw: RawIndex): void => {
    const there = ids.map((id) => ({ id, slot: raw.locate(id) })).filter(({ slot }) => slot >= 0);
    const payloads = decodePayloads(raw.payloadsAt(Uint32Array.from(there, ({ slot }) => slot)), there.length);
    // An answer is noted within this call, or the record could be another by then.
    for (const [i, { id, slot }] of there.entries()) {
      const payload = payloads[i];
      let match = false;
      try {
        match = answers.matches(isObject(payload) ? (payload as Fields) : {});
      } catch (error) {
        failures.push({ error, id });
        return;
      }
      if (payload === undefined) match &&= !isLost(raw, slot);
      answers.of.set(id, match);
      asked += 1;
      if (match) passed += 1;
    }
  };

  try {
    for (let share = 1; ; ) {
      const guesses = new Map<Id, boolean>();
      let due = 0;
      const finding = find((id) => {
        const known = answers.of.get(id) ?? guesses.get(id);
        if (known !== undefined) return known;
        due += share;
        const guess = due >= 1;
        if (guess) due -= 1;
        guesses.set(id, guess);
        return guess;
      });
      // Nothing comes between looking and finding where nothing has to be waited for: who changes records all the time holds up nobody.
      const hits = finding instanceof Promise ? await finding : finding;
      if (!guesses.size) return hits;
      const ids = [...guesses.keys()];
      for (let at = 0; at < ids.length; at += LOOKED_AT) {
        const looking = reading(lookAt(ids.slice(at, at + LOOKED_AT)));
        if (looking instanceof Promise) await looking;
        for (const { error, id } of failures) fail("INVALID_FILTER", `filter: it could not be asked of the record ${shown(id)}: ${(error as Error)?.message ?? error}`, error);
        if (!slice.over) continue;
        await slice.next();
        handle.checkOpen();
        checkAborted(signal);
      }
      // As many guesses pass as of those that were looked at, evenly spread: with too many it ends too early, with too few it looks too far.
      // At most half as many as the time before, or where the last that match are hard to find it would look at a few more each time.
      share = Math.min(passed / asked, share / 2);
    }
  } finally {
    answers.users -= 1;
    trim(handle.said);
  }
}

/** A record without a payload may have been in a block of the store that is damaged. Nobody knows whether that matched. */
function isLost(raw: RawIndex, slot: number): boolean {
  try {
    raw.vectorAt(slot);
    return false;
  } catch (error) {
    if ((error as { code?: unknown }).code === "CORRUPT") return true;
    throw error;
  }
}

function answersOf({ said }: Handle, text: string, plain: Fields): Answers {
  const answers = said.get(text) ?? { matches: matcher(plain), of: new Map(), users: 0 };
  answers.users += 1;
  // The last in it is the one that was used last.
  said.delete(text);
  said.set(text, answers);
  return answers;
}

/** Gives up the answers of filters that were used longest ago, until few enough are left; never those of the last. */
function trim(said: Map<string, Answers>): void {
  let kept = 0;
  for (const { of } of said.values()) kept += of.size;
  let left = said.size;
  for (const [text, { of, users }] of said) {
    if ((said.size <= MOST_FILTERS && kept <= MOST_ANSWERS) || --left === 0) return;
    if (users) continue;
    said.delete(text);
    kept -= of.size;
  }
}
