// Filters that are objects: conditions on payloads. A script of its own.
//
// A search walks the graph without knowing payloads. For each record it asks what the filter says of its id. When that
// is not known yet, the answer is guessed. After the search the payloads of those records are read, all together where
// they are only in the store, and the filter's real answers are noted. Then the search runs again, until nothing had to
// be guessed: its hits are those that it would find if all answers had been known before.
import { checkFilter, isObject } from "./check.js";
import { matcher, type Fields } from "./match.js";
import { checkAborted, fail, shown } from "../guard.js";
import type { Handle } from "../handle.js";
import { decodePayloads } from "../payload.js";
import type { RawIndex } from "../raw.js";
import type { Reading } from "../search-many.js";
import { BULK_SLICE_MS, Slice } from "../turn.js";
import type { Hit, Id } from "../types.js";

/**
 * Most payloads that are read together. Each may be in a block of its own, and more would fill the memory that blocks
 * are read into.
 */
const MAX_TOGETHER = 64;
/** Most filters whose answers are kept while no search uses them. */
const MAX_FILTERS = 8;
/** Most answers that are kept, of all filters together except the one that was used last. */
const MAX_ANSWERS = 1 << 20;

/**
 * What one filter has answered, by the ids of records. An answer is valid until another record may have the id: see
 * `Handle.forget`.
 */
export interface Answers {
  /** Whether a payload matches the filter. */
  readonly matches: (payload: Fields) => boolean;
  readonly of: Map<Id, boolean>;
  /** Number of searches that are using the answers. */
  users: number;
}

/**
 * Returns the hits of `find`, which searches with the predicate that it is given, among the records whose payloads
 * match `filter`. `find` and `reading` end with the signal by themselves. INVALID_FILTER for the filter; ABORTED when
 * the signal fires, and CLOSED when the index is closed meanwhile.
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
  // How many records this search has looked at, and how many of them match. Both start at 1, for the first guesses.
  let asked = 1;
  let passed = 1;
  /** Errors of matching. Thrown inside a call into the core, they would count as faults of the core. */
  const failures: { error: unknown; id: Id }[] = [];

  const lookAt = (ids: readonly Id[]) => (raw: RawIndex): void => {
    const there = ids.map((id) => ({ id, slot: raw.locate(id) })).filter(({ slot }) => slot >= 0);
    const payloads = decodePayloads(raw.payloadsAt(Uint32Array.from(there, ({ slot }) => slot)), there.length);
    // An answer is noted within this call: after it, the id may be another record's.
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
    // `share` is the share of guesses that pass. `due` spreads them evenly: a guess passes whenever it reaches 1.
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
      // Awaited only if it is a promise. Without a pause between looking at payloads and searching again, a caller that
      // changes records all the time cannot delay this search.
      const hits = finding instanceof Promise ? await finding : finding;
      if (!guesses.size) return hits;
      const ids = [...guesses.keys()];
      for (let at = 0; at < ids.length; at += MAX_TOGETHER) {
        const looking = reading(lookAt(ids.slice(at, at + MAX_TOGETHER)));
        if (looking instanceof Promise) await looking;
        for (const { error, id } of failures) {
          const reason = (error as Error)?.message ?? error;
          fail("INVALID_FILTER", `filter: it could not be asked of the record ${shown(id)}: ${reason}`, error);
        }
        if (!slice.over) continue;
        await slice.next();
        handle.checkOpen();
        checkAborted(signal);
      }
      // The next guesses pass as often as the records that were looked at. With too many passes the search ends too
      // early, with too few it goes too far. The share at least halves each time: otherwise, where the last matches are
      // hard to find, each run would look at only a few more records.
      share = Math.min(passed / asked, share / 2);
    }
  } finally {
    answers.users -= 1;
    trim(handle.said);
  }
}

/**
 * True when a record has no payload because its block in the store is damaged. Whether its payload matched is not
 * known.
 */
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
  // Moves it to the end of the map: the order is that of the last use.
  said.delete(text);
  said.set(text, answers);
  return answers;
}

/**
 * Drops the answers of filters, the least recently used first, until few enough are left. Never drops those of the
 * last.
 */
function trim(said: Map<string, Answers>): void {
  let kept = 0;
  for (const { of } of said.values()) kept += of.size;
  let left = said.size;
  for (const [text, { of, users }] of said) {
    if ((said.size <= MAX_FILTERS && kept <= MAX_ANSWERS) || --left === 0) return;
    if (users) continue;
    said.delete(text);
    kept -= of.size;
  }
}
