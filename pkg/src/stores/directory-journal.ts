// The journal of a commit is the file `commit`, and the moment of the commit is when it gets that name: from then on what
// it says is done, now or by whoever opens the directory next. Before it nothing has changed: new values wait under names of
// their own.
//
//     thermocline commit 1
//     put <name>               the new value waits in <name>~; if that is not there, it is in <name> already
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
const FIRST_LINE = "thermocline commit 1";

/** The name under which something waits for its commit. */
export const waiting = (name: string): string => `${name}~`;

/** Decides a commit whose values wait, and does what it says. */
export async function decide(files: Files, journal: Journal): Promise<void> {
  const changes = [...journal.puts.map((name) => `put ${name}`), ...journal.deletes.map((name) => `delete ${name}`)];
  await files.write(waiting(NAME), [FIRST_LINE, ...changes, `end ${changes.length}`, ""].join("\n"));
  await files.rename(waiting(NAME), NAME);
  await files.sync();
  await finish(files, journal);
}

/** The commit that was decided and perhaps not finished. STORE_FAILED for a file of its name that is something else. */
export async function pending(files: Files): Promise<Journal | undefined> {
  const bytes = files.read(NAME);
  try {
    return bytes && journalOf(new TextDecoder().decode(bytes));
  } catch (error) {
    fail("STORE_FAILED", `${files.path}/${NAME} cannot be followed: ${(error as Error).message}`, error);
  }
}

/** Finishes what was decided, and removes what was not, when these are the names that there are. False if nothing was left to be done. */
export async function recover(files: Files, found?: readonly string[]): Promise<boolean> {
  const journal = await pending(files);
  const names = new Set(found ?? (await files.names()));
  const hasJournal = names.has(NAME);
  if (journal) await finish(files, { ...journal, puts: journal.puts.filter((name) => names.delete(waiting(name))) });
  else if (hasJournal) await files.remove(NAME);
  const strays = [...names].filter((name) => name.endsWith("~") && (name === waiting(NAME) || keyOf(name.slice(0, -1))));
  await each(strays, (name) => files.remove(name));
  return hasJournal || strays.length > 0;
}

/**
 * The journal goes last, when the rest is on the medium: until then all of this may be done again. And it must be gone there
 * before anything waits anew, which it would take for its own.
 */
async function finish(files: Files, { puts, deletes }: Journal): Promise<void> {
  await each(puts, (name) => files.rename(waiting(name), name));
  await each(deletes, (name) => files.remove(name));
  await files.sync();
  await files.remove(NAME);
  await files.sync();
}

/**
 * The journal in this text; undefined when the text is not whole. Throws when it says something that is not understood: it may come from a
 * later version, or be somebody else's, so it is neither followed nor removed.
 */
function journalOf(text: string): Journal | undefined {
  // A medium may have made room for one, and nothing else.
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
