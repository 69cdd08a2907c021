// Filters that are objects: conditions on payloads. A separate script.
//
// A search walks the graph without knowing payloads. For each record it asks for the filter's answer by id. An answer
// that is not known yet is guessed. After the search, the payloads of those records are read, together if they are only
// in the store, and the real answers are noted. Then the search runs again, until nothing had to be guessed: its hits
// are those it would find if all answers had been known in advance.
import { checkFilter, isObject } from "./check.js";
import { matcher, type Fields } from "./match.js";
import { checkAborted, fail, shown } from "../guard.js";
import type { Handle } from "../handle.js";
import { decodePayloads } from "../payload.js";
import type { RawIndex } from "../raw.js";
import type { Reading } from "../search-many.js";
import { MANY_SLICE_MS, Slice } from "../turn.js";
import type { Hit, Id } from "../types.js";

/**
 * Most payloads that are read together. Each may be in a different block, and more would exceed the memory that blocks
 * are read into.
 */
const MAX_TOGETHER = 64;
/** Most filters whose answers are cached while no search uses them. */
const MAX_FILTERS = 8;
/** Most answers that are cached for all filters together, except the one used last. */
const MAX_ANSWERS = 1 << 20;
/** Answers of records that are gone are forgotten once there are so many more answers than twice the records. */
const SPARE_ANSWERS = 4096;
/** The most entries that V8's Map takes. One more is an error that would count as a fault of the core. */
const MAX_ENTRIES = 2 ** 24 - 1;

/**
 * The answers of one filter, by record id. An answer is valid until another record may have the id: see
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
 * Returns the hits among the records whose payloads match `filter`. `find` searches with the predicate that it is
 * given. `find` and `reading` handle the signal themselves. INVALID_FILTER for the filter; ABORTED if the signal fires,
 * and CLOSED if the index is closed meanwhile.
 */
export async function findMatching(
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
  const slice = new Slice(MANY_SLICE_MS);
  // Number of records this search has checked, and number of matches among them. Both start at 1, for the first
  // guesses.
  let asked = 1;
  let passed = 1;
  /** Errors of matching. If thrown inside a call into the core, they would count as faults of the core. */
  const failures: { error: unknown; id: Id }[] = [];

  const lookAt = (ids: readonly Id[]) => (raw: RawIndex): void => {
    const there = ids.map((id) => ({ id, slot: raw.locate(id) })).filter(({ slot }) => slot >= 0);
    const packed = raw.payloadsAt(Uint32Array.from(there, ({ slot }) => slot));
    const payloads = decodePayloads(packed, there.length, (i) => there[i]!.id);
    // Answers are noted within this call: later the id may belong to another record.
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
      note(answers.of, id, match);
      asked += 1;
      if (match) passed += 1;
    }
  };

  try {
    // `share` is the share of guesses that pass. `due` spreads them evenly: a guess passes when it reaches 1.
    for (let share = 1; ; ) {
      const guesses = new Map<Id, boolean>();
      let due = 0;
      const finding = find((id) => {
        const known = answers.of.get(id) ?? guesses.get(id);
        if (known !== undefined) return known;
        due += share;
        const guess = due >= 1;
        if (guess) due -= 1;
        note(guesses, id, guess);
        return guess;
      });
      // Awaited only if it is a promise. Without a pause between checking payloads and searching again, a caller that
      // constantly changes records cannot delay this search.
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
      // The next guesses pass as often as the records checked so far. With too many passes the search ends too early,
      // with too few it goes too far. The share at least halves each time: otherwise, if the last matches are hard to
      // find, each run would check only a few more records.
      share = Math.min(passed / asked, share / 2);
    }
  } finally {
    answers.users -= 1;
    if (!answers.users) forgetGone(handle, answers);
    trim(handle.filterAnswers);
  }
}

/** Notes an answer. OUT_OF_MEMORY if the map is full. */
function note(answers: Map<Id, boolean>, id: Id, answer: boolean): void {
  if (answers.size >= MAX_ENTRIES) fail("OUT_OF_MEMORY", `filter: a search may look at ${MAX_ENTRIES} records at most`);
  answers.set(id, answer);
}

/** Forgets all answers if most are of records that were deleted or have expired: nothing notes which. */
function forgetGone(handle: Handle, { of }: Answers): void {
  if (of.size <= SPARE_ANSWERS || !handle.isOpen) return;
  if (of.size >= MAX_ENTRIES || of.size > 2 * handle.call((raw) => raw.size) + SPARE_ANSWERS) of.clear();
}

/**
 * Returns true if a record has no payload because its block in the store is damaged. Whether it would match is unknown.
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

function answersOf({ filterAnswers }: Handle, text: string, plain: Fields): Answers {
  const answers = filterAnswers.get(text) ?? { matches: matcher(plain), of: new Map(), users: 0 };
  answers.users += 1;
  // Moves it to the end of the map, which is ordered by last use.
  filterAnswers.delete(text);
  filterAnswers.set(text, answers);
  return answers;
}

/**
 * Drops cached answers, least recently used filters first, until few enough are left. Never drops those of the last
 * filter.
 */
function trim(all: Map<string, Answers>): void {
  let kept = 0;
  for (const { of } of all.values()) kept += of.size;
  let left = all.size;
  for (const [text, { of, users }] of all) {
    if ((all.size <= MAX_FILTERS && kept <= MAX_ANSWERS) || --left === 0) return;
    if (users) continue;
    all.delete(text);
    kept -= of.size;
  }
}
