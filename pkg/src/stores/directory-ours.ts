// Which files of a directory are an index's, so that a directory of somebody else's is left alone.
import { fail } from "../guard.js";
import type { Files } from "./directory-files.js";
import { pending, waiting } from "./directory-journal.js";

const MANIFEST = /^m_\d{20}~?$/;
/** The keys of docs/FORMAT.md as names of files. */
const VALUE = /^(?:(?:m|log)_\d{20}|b_\d{10}\.\d{10}|s_[a-z]_\d{10}\.\d{20}\.\d{10})~?$/;

/** True for the file of a value of an index, waiting or not, and for nothing that merely looks like a value. */
export function isValue(name: string): boolean {
  return VALUE.test(name);
}

/**
 * The names of all files in a directory that an index is in, or may come to be in: it holds a manifest, or nothing but what an
 * index leaves there. Any other is INVALID_OPTION. Undefined when there is no directory.
 */
export async function ownNames(files: Files): Promise<string[] | undefined> {
  const names = await files.names();
  if (!names || names.some((name) => MANIFEST.test(name))) return names;
  const journal = await pending(files).catch(() => undefined);
  const isOwn = (name: string) => isValue(name) || name.startsWith("lock.") || name === waiting("commit") || (name === "commit" && journal !== undefined);
  const stranger = names.find((name) => !isOwn(name));
  if (stranger !== undefined) {
    fail("INVALID_OPTION", `name: expected a directory that is new, empty or an index's, but ${files.path} holds ${JSON.stringify(stranger)} and no index`);
  }
  return names;
}
