// Distinguishes the files of an index from others, so that a directory of other files is left alone.
import { fail } from "../guard.js";
import type { Files } from "./directory-files.js";
import { readJournal, waiting } from "./directory-journal.js";

const MANIFEST = /^m_\d{20}~?$/;
const LOG = /^log_\d{20}$/;
/** The file names of the keys in docs/FORMAT.md, including those of values waiting for a commit. */
const VALUE = /^(?:(?:m|log)_\d{20}|b_\d{10}\.\d{10}|s_[a-z]_\d{10}\.\d{20}\.\d{10})~?$/;

/** Returns true for the name of a file that holds a value of an index, including one waiting for its commit. */
export function isValue(name: string): boolean {
  return VALUE.test(name);
}

/** Returns true for the name of a file that holds a log of an index. */
export function isLog(name: string): boolean {
  return LOG.test(name);
}

/**
 * Returns the names of all files in a directory that holds an index or may hold one: it has a manifest, or only files
 * that an index leaves behind. Undefined if there is no directory. INVALID_OPTION for any other directory.
 */
export async function ownNames(files: Files): Promise<string[] | undefined> {
  const names = await files.names();
  if (!names || names.some((name) => MANIFEST.test(name))) return names;
  const journal = await readJournal(files).catch(() => undefined);
  const isJournal = (name: string) => name === waiting("commit") || (name === "commit" && journal !== undefined);
  const isOwn = (name: string) => isValue(name) || name.startsWith("lock.") || isJournal(name);
  const stranger = names.find((name) => !isOwn(name));
  if (stranger !== undefined) {
    const found = `${files.path} holds ${JSON.stringify(stranger)} and no index`;
    fail("INVALID_OPTION", `name: expected a directory that is new, empty or an index's, but ${found}`);
  }
  return names;
}
