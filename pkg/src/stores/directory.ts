// A directory of files as a store, in Node. Native programs use the same layout and can open the same directory.
//
// The value of a key is a file named after the key, with `_` for each `/`. A new value is first written to the medium
// under that name followed by `~`. A commit of one value is a rename; a commit of several uses a journal
// (directory-journal.ts).
import { fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import type { ThermoclineError } from "../errors.js";
import { fail } from "../guard.js";
import type { Reads } from "../stored/place.js";
import type { Batch, StoreOptions } from "../store.js";
import { Files, Room, keyOf, nameOf, type FileSystem } from "./directory-files.js";
import { commitByJournal, readThrough, recover, waiting, type Journal } from "./directory-journal.js";
import { takeLock, type Lock } from "./directory-lock.js";
import { isLog, isValue, ownNames } from "./directory-ours.js";
import { each } from "./each.js";
import { readOnly, step } from "./failure.js";

/**
 * Opens a directory as a store. For writing, creates the directory if it does not exist, and finishes or drops an
 * unfinished commit; LOCKED while another writer has it. For reading, changes nothing, and a missing directory is an
 * empty store.
 */
export async function openDirectory(path: string, options: StoreOptions = {}, fs?: FileSystem): Promise<Reads> {
  const files = new Files(resolve(path), fs);
  if (options.mode === "readonly") return new DirectoryReader(files);
  const { isNew, release, names } = await takeDirectory(files);
  let changed: boolean;
  try {
    changed = await recover(files, names);
    if ((await settleLogs(files, names)) || changed) await files.sync();
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
  return new DirectoryStore(files, options.durability === "strict", release, isNew, changed ? undefined : names);
}

/**
 * Waits until the logs among these files are on the medium. Returns false if there are none; otherwise the directory
 * has to be synced, too. The next log continues them, but an owner that was killed or is not strict
 * may not have waited for everything in them. If a power failure destroyed the end of an older log but not the next
 * log, nothing after the gap could be read.
 */
async function settleLogs(files: Files, names: readonly string[]): Promise<boolean> {
  const logs = names.filter(isLog);
  await each(logs, (name) => files.settle(name));
  return logs.length > 0;
}

/**
 * Creates the directory if it does not exist, and takes its lock. Tries a few times, since another process may be
 * removing a directory that it created and did not use.
 */
async function takeDirectory(files: Files, tries = 5): Promise<Lock & { isNew: boolean }> {
  try {
    return { isNew: await files.create(), ...(await takeLock(files)) };
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    if (cause?.code !== "ENOENT" || tries === 1) throw error;
    return takeDirectory(files, tries - 1);
  }
}

/** Opens a directory as the store of an index. For writing, INVALID_OPTION if it holds other files and no index. */
export async function openIndexDirectory(path: string, options: StoreOptions = {}): Promise<Reads> {
  const files = new Files(resolve(path));
  if (options.mode !== "readonly") await ownNames(files);
  return openDirectory(files.path, options);
}

/**
 * Removes the values of an index in one commit, or one by one on a full disk, and the directory if nothing else is in
 * it. LOCKED while a writer has it. INVALID_OPTION when it holds other files and no index.
 */
export async function destroyDirectory(path: string, fs?: FileSystem): Promise<void> {
  const files = new Files(resolve(path), fs);
  const names = await ownNames(files);
  // An empty directory belongs to the program that created it, and stays.
  if (!names?.length) return;
  const store = await openDirectory(files.path, {}, fs);
  try {
    const keys = (await store.list("")).filter((key) => isValue(nameOf(key)));
    try {
      await store.commit({ puts: [], deletes: keys });
    } catch (error) {
      // There is no room for the journal.
      if ((error as ThermoclineError).code !== "QUOTA_EXCEEDED") throw error;
      for (const name of inOrderOfRemoval(keys.map(nameOf))) await files.remove(name);
      await files.sync();
    }
  } finally {
    await store.close();
  }
  await files.destroy();
}

/**
 * Returns the order in which to remove the files of an index one by one. The newest manifest is last: if the removal is
 * cut off, the directory still is an index's and can be destroyed again, even if it holds other files. Segments go
 * before logs, and older logs before newer: without one of them the index is CORRUPT, rather than open with a part of
 * its records. If its checkpoint is empty, it opens empty between the last log and the manifest.
 */
function inOrderOfRemoval(names: readonly string[]): string[] {
  const newest = names.filter((name) => name.startsWith("m")).sort().at(-1);
  const rank = (name: string) => (name === newest ? 4 : "msbl".indexOf(name[0]!));
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** Reads values as they will be after a journal, if there is one, is carried out. */
async function read(
  files: Files, keys: readonly string[], memory: Uint8Array | undefined, journal?: Journal,
): Promise<(Uint8Array | undefined)[]> {
  const [puts, deletes] = [new Set(journal?.puts), new Set(journal?.deletes)];
  const values: (Uint8Array | undefined)[] = [];
  const room = memory && new Room(memory);
  for (const key of keys) {
    const name = nameOf(key);
    const taken = files.breathe();
    if (taken) await taken;
    if (deletes.has(name)) {
      values.push(undefined);
      continue;
    }
    const waits = puts.has(name) ? files.read(waiting(name), room) : undefined;
    values.push(waits ?? files.read(name, room));
  }
  return values;
}

/** Lists the keys that begin with `prefix` as they will be after a journal is carried out. */
async function list(files: Files, prefix: string, { puts, deletes }: Journal): Promise<string[]> {
  const names = new Set([...((await files.names()) ?? []), ...puts]);
  for (const name of deletes) names.delete(name);
  return keysOf(names, prefix);
}

/** Returns the keys of these files that begin with `prefix`. */
function keysOf(names: Iterable<string>, prefix: string): string[] {
  const start = prefix.replaceAll("/", "_");
  const keys: string[] = [];
  for (const name of names) {
    const key = name.startsWith(start) ? keyOf(name) : undefined;
    if (key?.startsWith(prefix)) keys.push(key);
  }
  return keys;
}

/**
 * A read-only store. Each call looks for a journal, since a writer may be in the middle of a commit, or have been
 * killed in one. One call may return values of two commits if all of the second happens during it.
 */
class DirectoryReader implements Reads {
  readonly takesRoom = true;
  readonly #files: Files;

  constructor(files: Files) {
    this.#files = files;
  }

  read(keys: readonly string[], memory?: Uint8Array): Promise<(Uint8Array | undefined)[]> {
    return readThrough(this.#files, (journal) => read(this.#files, keys, memory, journal));
  }

  list(prefix: string): Promise<string[]> {
    return readThrough(this.#files, (journal) => list(this.#files, prefix, journal));
  }

  async commit(): Promise<void> {
    readOnly(this.#files.path);
  }

  async append(): Promise<void> {
    readOnly(this.#files.path);
  }

  async close(): Promise<void> {}
}

/** A value that is appended to, and its open file. */
interface OpenValue {
  readonly name: string;
  readonly handle: FileHandle;
  /** True when the system reported, on opening, that the file has a name. Not every file system reports that. */
  readonly isNamed: boolean;
}

class DirectoryStore implements Reads {
  readonly takesRoom = true;
  readonly #files: Files;
  readonly #strict: boolean;
  readonly #release: () => Promise<void>;
  /** True if the directory was created for this store and nothing has been written to it. */
  #isIdle: boolean;
  /** The value last appended to. Its file stays open: opening it each time would be half the cost of an append. */
  #log: OpenValue | undefined;
  /** Throws the error of a closed store, once it is closed. */
  #end: (() => never) | undefined;
  /** The error of a commit that was cut off. Nothing may be changed any more, and reads have to look for its journal. */
  #cutOff: unknown;
  /** The names in the directory, until the first change. No other process may change them. */
  #names: readonly string[] | undefined;

  constructor(files: Files, strict: boolean, release: () => Promise<void>, isNew: boolean, names: readonly string[] | undefined) {
    this.#files = files;
    this.#strict = strict;
    this.#release = release;
    this.#isIdle = isNew;
    this.#names = names;
  }

  async read(keys: readonly string[], memory?: Uint8Array): Promise<(Uint8Array | undefined)[]> {
    this.#end?.();
    if (this.#cutOff) return new DirectoryReader(this.#files).read(keys, memory);
    return read(this.#files, keys, memory);
  }

  async list(prefix: string): Promise<string[]> {
    this.#end?.();
    if (this.#cutOff) return new DirectoryReader(this.#files).list(prefix);
    return keysOf(this.#names ?? (await this.#files.names()) ?? [], prefix);
  }

  async commit({ puts, deletes }: Batch): Promise<void> {
    this.#beginChange();
    const journal: Journal = { puts: puts.map(([key]) => nameOf(key)), deletes: deletes.map(nameOf) };
    const [first, ...others] = [...journal.puts, ...journal.deletes];
    if (first === undefined) return;
    try {
      if (this.#log && (first === this.#log.name || others.includes(this.#log.name))) await this.#closeLog();
      await each(puts, ([key, bytes]) => this.#files.write(waiting(nameOf(key)), bytes));
      if (others.length || !puts.length) {
        await commitByJournal(this.#files, journal);
      } else {
        await this.#files.rename(waiting(first), first);
        await this.#files.sync();
      }
    } catch (error) {
      // Completes the commit, or undoes it if it was not decided. If that fails too, only reopening the index can tell
      // which of the two happened.
      const isWhole = !this.#files.syncError && (await recover(this.#files).then(() => true, () => false));
      if (!isWhole) this.#cutOff = error;
      throw error;
    }
  }

  async append(key: string, bytes: Uint8Array): Promise<void> {
    this.#beginChange();
    const name = nameOf(key);
    const { handle, isNamed } = this.#log?.name === name ? this.#log : await this.#openLog(name);
    await step(`appending to ${name} in ${this.#files.path}`, async () => {
      await handle.appendFile(bytes);
      // A file whose name was removed is lost when it is closed.
      if (isNamed && !fstatSync(handle.fd).nlink) throw new Error("somebody has removed it");
      if (this.#strict) await handle.datasync();
    });
  }

  async close(): Promise<void> {
    this.#end = () => fail("CLOSED", `${this.#files.path} is closed`);
    try {
      await this.#closeLog();
    } finally {
      await this.#release();
      // A failed opening leaves no directory behind.
      if (this.#isIdle) await this.#files.destroy();
    }
  }

  #beginChange(): void {
    this.#end?.();
    const cause = this.#cutOff ?? this.#files.syncError;
    if (cause) fail("STORE_FAILED", `${this.#files.path}: a change has failed midway; open the index again`, cause);
    this.#isIdle = false;
    this.#names = undefined;
  }

  async #openLog(name: string): Promise<OpenValue> {
    // A new log continues this one, as in `settleLogs`.
    if (this.#log && !this.#strict && (await settleLogs(this.#files, [this.#log.name]))) await this.#files.sync();
    await this.#closeLog();
    const handle = await this.#files.open(name, "a");
    const log = (this.#log = { name, handle, isNamed: fstatSync(handle.fd).nlink > 0 });
    if (this.#strict) await this.#files.sync();
    return log;
  }

  async #closeLog(): Promise<void> {
    const log = this.#log;
    this.#log = undefined;
    if (log) await step(`closing ${log.name} in ${this.#files.path}`, () => log.handle.close());
  }
}
