// The journal of a commit is the file `commit`. The commit happens when the journal gets that name: from then on its
// changes are carried out, either at once or by the next writer that opens the directory. Until then nothing has
// changed, and new values wait under temporary names.
//
//     thermocline commit 1
//     put <name>               the new value waits in <name>~; if that does not exist, it is in <name> already
//     delete <name>
//     end <number of put and delete lines>
import { fail } from "../guard.js";
import { keyOf, type Files } from "./directory-files.js";
import { each } from "./each.js";

/** File names of values. */
export interface Journal {
  readonly puts: readonly string[];
  readonly deletes: readonly string[];
}

const NAME = "commit";
/** How often a read is tried, while a writer commits. */
const MAX_TRIES = 100;
const NOTHING: Journal = { puts: [], deletes: [] };
const FIRST_LINE = "thermocline commit 1";

/** The name under which the new content of a file waits for its commit. */
export const waiting = (name: string): string => `${name}~`;

/** Commits the waiting values: writes the journal and carries it out. */
export async function commitByJournal(files: Files, journal: Journal): Promise<void> {
  const changes = [...journal.puts.map((name) => `put ${name}`), ...journal.deletes.map((name) => `delete ${name}`)];
  await files.write(waiting(NAME), [FIRST_LINE, ...changes, `end ${changes.length}`, ""].join("\n"));
  // If a power failure left the journal without a waiting value, the value would be taken for one in its place already.
  await files.sync();
  await files.rename(waiting(NAME), NAME);
  await files.sync();
  await carryOut(files, journal);
}

/**
 * Runs `read` with the journal of a commit that may be unfinished: an empty one if there is none or it is truncated.
 * Repeats that if there is another journal or none afterwards: another commit may have other values waiting under the
 * same names. STORE_FAILED if the file of the journal's name is something else, or changes each time.
 */
export async function readThrough<T>(files: Files, read: (journal: Journal) => Promise<T>): Promise<T> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const before = files.identity(NAME);
    const bytes = files.read(NAME);
    const isSame = (): boolean => files.identity(NAME) === before && (before === undefined) === (bytes === undefined);
    try {
      const found = await read(journalIn(files, bytes) ?? NOTHING);
      if (isSame()) return found;
    } catch (error) {
      if (isSame()) throw error;
    }
  }
  fail("STORE_FAILED", `${files.path} changes faster than it can be read`);
}

/**
 * Returns the journal of a commit that may be unfinished. Undefined if there is none or it is truncated. STORE_FAILED
 * if the file of its name is something else.
 */
export async function readJournal(files: Files): Promise<Journal | undefined> {
  return journalIn(files, files.read(NAME));
}

/** As `readJournal`, for what was read already. */
function journalIn(files: Files, bytes: Uint8Array | undefined): Journal | undefined {
  try {
    return bytes && journalOf(new TextDecoder().decode(bytes));
  } catch (error) {
    fail("STORE_FAILED", `${files.path}/${NAME} cannot be followed: ${(error as Error).message}`, error);
  }
}

/**
 * Finishes a commit that has a journal, and removes the files of one that has none. `found` are the names in the
 * directory. Returns false if there was nothing to do.
 */
export async function recover(files: Files, found?: readonly string[]): Promise<boolean> {
  const journal = await readJournal(files);
  const names = new Set(found ?? (await files.names()));
  const hasJournal = names.has(NAME);
  if (journal) await carryOut(files, { ...journal, puts: journal.puts.filter((name) => names.delete(waiting(name))) });
  else if (hasJournal) await files.remove(NAME);
  const strays = [...names].filter((name) => name.endsWith("~") && (name === waiting(NAME) || keyOf(name.slice(0, -1))));
  await each(strays, (name) => files.remove(name));
  return hasJournal || strays.length > 0;
}

/**
 * Carries out the journal. The journal is removed last, once the changes are on the medium: until then all of them may
 * be repeated. It must be gone from the medium before new values wait, since it would take them for its own.
 */
async function carryOut(files: Files, { puts, deletes }: Journal): Promise<void> {
  await each(puts, (name) => files.rename(waiting(name), name));
  await each(deletes, (name) => files.remove(name));
  await files.sync();
  await files.remove(NAME);
  await files.sync();
}

/**
 * Parses a journal. Undefined if the text is truncated. Throws if it cannot be understood: the file may come from a
 * later version or another program, so it is neither carried out nor removed.
 */
function journalOf(text: string): Journal | undefined {
  // After a power failure the file may have its full length but contain zeros.
  const isOne = [...`${FIRST_LINE}\n`].every((character, i) => i >= text.length || text[i] === character || text[i] === "\0");
  if (!isOne) throw new Error(`it does not begin with "${FIRST_LINE}"`);
  const lines = text.split("\n");
  const changes = lines.slice(1, -2).map((line) => /^(put|delete) (.+)$/.exec(line) ?? [line]);
  if (lines.at(-2) !== `end ${changes.length}` || lines.at(-1) !== "") return undefined;
  const unknown = changes.find(([, , name]) => !name || !keyOf(name));
  if (unknown) throw new Error(`it has the line ${JSON.stringify(unknown[0])}`);
  const named = (which: string) => changes.filter(([, verb]) => verb === which).map(([, , name]) => name!);
  return { puts: named("put"), deletes: named("delete") };
}
