// OPFS, the browser's origin private file system, as a store. It uses the asynchronous interface, which is available on
// the main thread too.
//
// Not every browser can rename a file, and closing a writable does not everywhere replace the content at once: WebKit
// copies the bytes into the file. So no file is written twice. It is created empty, and a single close writes it. If a
// kill or a failure leaves a part of it, nothing in it has been acknowledged. Names are unique and never reused, and a
// table maps keys to files. A commit happens when the table's writable is closed; a part of a table is unreadable.
//
//     table.<number>.<opening>      {"<key>": ["<file>", ["<piece>", <bytes>], …], …}
//     <opening>.<n>                 a <file>: what a commit has written; or a <piece>: several joined
//     <file>.<opening>.<n>          the pieces 1, 2, … that were appended to it, one with each call
//
// Each opening for writing has a unique name, which is part of the names of all files that it writes. The valid table
// is the readable one with the highest number. A value is its file, then the pieces in the table, each up to the length
// in the table, then the pieces named after the table's opening. Only the last of those may be incomplete, unless an
// append has failed.
//
// Calls that a page made before it died may take effect later, after the next writer has already looked at the files.
// So a writer first stores the state it found as a new table, with a number above all others, including those of empty
// tables. From then on late effects are invisible: a late table has a lower number, the file of a late value or a late
// piece is in no valid table, and a piece that grew is longer than the table says. The next writer removes all of
// these.
//
// When a value has many pieces, its writer does the same again: it takes another name as its opening, and stores its
// state as a table in which small pieces are joined. Until this table is readable, the previous one and all of its
// pieces count; from then on only what is in the new one.
//
// A reader may look while a writer removes the files of a previous table. That table is removed before its files. So a
// reader that misses a piece cannot read the table either, and looks again.
import { fail } from "../guard.js";
import type { Batch, Store, StoreOptions } from "../store.js";
import { each } from "./each.js";
import { readOnly, step } from "./failure.js";
import { OpfsFiles, unlessAbsent } from "./opfs-files.js";
import {
  bytesOf, countsOf, freshOpening, isTable, partsOf, pieceName, tableName, tablesIn, valueOf, valuesIn, type Part,
  type TableName, type Value,
} from "./opfs-table.js";
import { takeWebLock } from "./web-lock.js";

/** Number of pieces of a value before they are joined. More of them mean more files, fewer mean joining more often. */
const MOST_PIECES = 32;
/** Pieces of at least this size are not joined any more. */
const PIECE_BYTES = 64 << 10;
/** How often a look is tried if files change meanwhile. Including the pauses, this takes a third of a second. */
const LOOKS = 12;
const PAUSE_MS = 5;

/**
 * Opens the place of this name. For writing, creates it if it does not exist; LOCKED while another writer has it. For
 * reading, changes nothing, and a missing place is an empty store. OPFS cannot wait for the medium, so durability is
 * "relaxed". `root` is for tests.
 */
export async function openOpfs(name: string, options: Pick<StoreOptions, "mode"> = {}, root = originRoot): Promise<Store> {
  const writes = options.mode !== "readonly";
  if (root === originRoot) checkPlatform(writes);
  const release = writes ? await takeWebLock(lockOf(name)) : async () => {};
  try {
    const folder = await step(`opening ${name}`, async () =>
      (await root()).getDirectoryHandle(folderOf(name), { create: writes }).catch(unlessAbsent),
    );
    const discard = async () => (await root()).removeEntry(folderOf(name));
    const store = new OpfsStore(name, folder, writes, discard, release);
    if (writes) await store.begin();
    return store;
  } catch (error) {
    await release();
    throw error;
  }
}

/** Removes the place of this name and everything in it. LOCKED while a writer has it. */
export async function destroyOpfs(name: string, root = originRoot): Promise<void> {
  if (root === originRoot) checkPlatform(false);
  const release = await takeWebLock(lockOf(name));
  try {
    await step(`removing ${name}`, async () =>
      (await root()).removeEntry(folderOf(name), { recursive: true }).catch(unlessAbsent),
    );
  } finally {
    await release();
  }
}

const originRoot = () => navigator.storage.getDirectory();

/** Throws INVALID_OPTION if files are not available (without HTTPS) or cannot be written (Safari before 26). */
function checkPlatform(writes: boolean): void {
  const canWrite = () => "createWritable" in FileSystemFileHandle.prototype;
  if (!globalThis.navigator?.storage?.getDirectory || (writes && !canWrite())) {
    fail("INVALID_OPTION", 'store: "opfs" needs HTTPS and a browser that can write to its files; use "indexeddb"');
  }
}

const lockOf = (name: string) => `thermocline-opfs:${name}`;

/** Without capitals, which the file systems that some browsers keep these folders in do not distinguish. */
function folderOf(name: string): string {
  const escaped = encodeURIComponent(name).replace(/%..|[A-Z]/g, (found) =>
    found.length > 1 ? found.toLowerCase() : `%${found.charCodeAt(0).toString(16)}`,
  );
  return `thermocline-${escaped}`;
}

/** The valid table and its values. */
interface State {
  /** Undefined in a folder that no writer has written to. */
  readonly table: TableName | undefined;
  readonly values: Map<string, Value>;
}

const NOTHING: State = { table: undefined, values: new Map() };

/** A value that was read. */
interface Found {
  readonly value: Value;
  /** How many pieces it had then. */
  readonly pieces: number;
  readonly bytes: Uint8Array;
}

/** The result of a look: the valid table, and the names of all files. */
interface Look extends State {
  readonly names: ReadonlySet<string>;
}

class OpfsStore implements Store {
  readonly #name: string;
  readonly #files: OpfsFiles;
  readonly #writes: boolean;
  /** Removes the folder if it is empty, or fails. */
  readonly #discard: () => Promise<void>;
  readonly #release: () => Promise<void>;
  /** Of a writer: the opening of the valid table or, while the state is stored anew, of the next. */
  #opening = "";
  /** Of a writer: what it has stored last. Of a reader: what it has seen last. */
  #state = NOTHING;
  #nextTable = 1;
  #nextFile = 1;
  /** True until the first change in a folder that was empty. */
  #isIdle = false;
  /** Throws the error that makes the store unusable, if there is one. */
  #end: (() => never) | undefined;

  constructor(
    name: string, folder: FileSystemDirectoryHandle | undefined, writes: boolean, discard: () => Promise<void>,
    release: () => Promise<void>,
  ) {
    this.#name = name;
    this.#files = new OpfsFiles(folder);
    this.#writes = writes;
    this.#discard = discard;
    this.#release = release;
  }

  /**
   * The first step of a writer: stores the state it found as a new table. Only then may it remove files or acknowledge
   * a change.
   */
  async begin(): Promise<void> {
    const look = await step(`opening ${this.#name}`, () => this.#steady(() => this.#look()));
    this.#isIdle = look.names.size === 0;
    this.#nextTable = 1 + (tablesIn(look.names)[0]?.number ?? 0);
    await this.#storeAnew(look);
    await this.#removeOthers(look.names);
  }

  async read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    this.#end?.();
    return step(`reading ${this.#name}`, () =>
      this.#steady(async () => {
        const find = (state: State) => each(keys, (key) => this.#find(state, key));
        for (let seen = this.#state; ; ) {
          // Each takes requests to the browser. Most often nothing has changed.
          const [found, state] = await Promise.all([find(seen), this.#follow(seen, keys)]);
          if (state.table?.name === seen.table?.name) {
            const isNewest = found.every((one) => one?.value.pieces === one?.pieces);
            return (isNewest ? found : await find(seen)).map((one) => one?.bytes);
          }
          // Another read may have seen this state before the last appends.
          seen = state;
        }
      }),
    );
  }

  async list(prefix: string): Promise<string[]> {
    this.#end?.();
    const { values } = await step(`reading ${this.#name}`, () => this.#steady(() => this.#now()));
    return [...values.keys()].filter((key) => key.startsWith(prefix));
  }

  async commit({ puts, deletes }: Batch): Promise<void> {
    await this.#change(async () => {
      this.#isIdle = false;
      const values = new Map(this.#state.values);
      for (const key of deletes) values.delete(key);
      await each(puts, async ([key, bytes]) => values.set(key, valueOf(await this.#write(this.#newFile(), bytes))));
      await this.#store(values);
    });
  }

  async append(key: string, bytes: Uint8Array): Promise<void> {
    if (!this.#state.values.has(key)) await this.commit({ puts: [[key, new Uint8Array()]], deletes: [] });
    await this.#change(async () => {
      if (this.#state.values.get(key)!.pieces >= MOST_PIECES) await this.#storeAnew(this.#state);
      const value = this.#state.values.get(key)!;
      await this.#write(pieceName(value.file, this.#opening, value.pieces + 1), bytes);
      value.pieces += 1;
    });
  }

  async close(): Promise<void> {
    this.#end = () => fail("CLOSED", `${this.#name} is closed`);
    this.#files.forget();
    try {
      if (this.#isIdle) await this.#leave();
    } finally {
      await this.#release();
    }
  }

  /**
   * Removes what an opening has written that found nothing and stored nothing. If the page dies, these calls may take
   * effect when another writer has the folder: the first removes a file of this opening, the second nothing that has
   * files.
   */
  async #leave(): Promise<void> {
    try {
      await this.#files.remove(this.#state.table!.name);
      await this.#discard();
    } catch {}
  }

  /** Makes a change, and removes the files that do not count any more. */
  async #change(run: () => Promise<void>): Promise<void> {
    this.#end?.();
    if (!this.#writes) readOnly(this.#name);
    const before = this.#state;
    try {
      await run();
    } catch (error) {
      await this.#recover();
      throw error;
    }
    if (this.#state !== before) await this.#removeOthers(namesOf(before));
  }

  /** Looks once at the content of the folder. CORRUPT if there are values and no readable table. */
  async #look(): Promise<Look> {
    // A writer that has stored nothing removes its folder.
    const names = await this.#files.list(!this.#writes);
    const tables = tablesIn(names);
    // The first file written is a table without values. Until it is closed, some engines also list a temporary file
    // beside it.
    let written = this.#state.table !== undefined || ![...names].every(isTable);
    for (const table of tables) {
      // Pieces may have been removed while the names were listed: then the table has been removed, too.
      const text = await (await this.#files.get(table.name, true)).text();
      const values = valuesIn(text);
      if (values) {
        const counts = countsOf(names);
        for (const value of values.values()) {
          while (names.has(pieceName(value.file, table.opening, value.pieces + 1))) value.pieces += 1;
          // Pieces are made in order, so the others are there. An engine may list files that come and go in parts.
          if (value.pieces < (counts.get(`${value.file}.${table.opening}`) ?? 0)) {
            fail("STORE_FAILED", `${this.#name}: a piece of ${value.file} is missing`);
          }
        }
        return { table, values, names };
      }
      written ||= !"{}".startsWith(text);
    }
    if (written) fail("CORRUPT", `${this.#name}: its table of values is damaged or missing`);
    return { table: undefined, values: new Map(), names };
  }

  /** Looks once. Fails if files of the table are missing: a writer may have removed them since the table was read. */
  async #load(): Promise<Look> {
    const look = await this.#look();
    for (const name of namesOf(look)) {
      if (!look.names.has(name)) fail("STORE_FAILED", `${this.#name}: its file ${name} is missing`);
    }
    return look;
  }

  /**
   * Returns the current state. A reader looks again once the table that it has seen is gone: before a commit is
   * acknowledged, the previous table is removed.
   */
  async #now(): Promise<State> {
    const state = this.#state;
    if (this.#writes || (state.table && (await this.#files.has(state.table.name)))) return state;
    // Another read may have failed meanwhile and have left no state.
    return (this.#state = await this.#load());
  }

  /**
   * Tries `look` several times. Files vanish and change while a writer is active, or when late calls of a dead page
   * take effect.
   */
  async #steady<T>(look: () => Promise<T>): Promise<T> {
    for (let left = LOOKS; ; ) {
      try {
        return await look();
      } catch (error) {
        left -= 1;
        if (left === 0) throw error;
        // A file that a dead page has changed cannot be read as it was.
        this.#files.forget();
        if (!this.#writes) this.#state = NOTHING;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (LOOKS - left)));
      }
    }
  }

  async #find({ table, values }: State, key: string): Promise<Found | undefined> {
    const value = values.get(key);
    if (!value) return undefined;
    const { pieces } = value;
    const parts = partsOf(value, table!.opening);
    // The last piece may still be being written.
    const files = await Promise.all(parts.map((part, at) => this.#part(part, pieces > 0 && at === parts.length - 1)));
    const whole = files.length === 1 ? files[0]! : new Blob(files);
    return { value, pieces, bytes: new Uint8Array(await whole.arrayBuffer()) };
  }

  /** Of a reader: finds the pieces that were appended to values of `seen`, and returns the current state. */
  async #follow({ table, values }: State, keys: readonly string[]): Promise<State> {
    if (this.#writes) return this.#state;
    await each(keys, async (key) => {
      const value = values.get(key);
      if (!value) return;
      let { pieces } = value;
      while (await this.#files.has(pieceName(value.file, table!.opening, pieces + 1))) pieces += 1;
      // Other reads may follow it at the same time.
      value.pieces = Math.max(value.pieces, pieces);
    });
    // Only now: a piece that is not there may have been removed, and its table is removed before.
    return this.#now();
  }

  /** Commits these values by writing a table of them. */
  async #store(values: Map<string, Value>): Promise<void> {
    const table = tableName(this.#nextTable++, this.#opening);
    await this.#write(table.name, bytesOf(values));
    this.#state = { table, values };
  }

  /** Stores a state as the table of a new opening, which records the pieces that were found by their names before. */
  async #storeAnew({ table, values }: State): Promise<void> {
    this.#opening = freshOpening();
    const recorded = new Map(values);
    for (const [key, value] of values) {
      if (value.pieces === 0) continue;
      const [, ...pieces] = partsOf(value, table!.opening);
      const groups = await step(`reading ${this.#name}`, () => this.#steady(() => this.#grouped(pieces)));
      const kept = await each(groups, async ({ parts, bytes }) => (bytes ? this.#joined(parts, bytes) : parts));
      recorded.set(key, valueOf(value.file, kept.flat()));
    }
    await this.#store(recorded);
  }

  /** Writes the bytes of several parts to one file. Where there is no room for that, the parts stay as they are. */
  async #joined(parts: readonly Part[], bytes: Uint8Array): Promise<readonly Part[]> {
    const name = this.#newFile();
    try {
      return [[await this.#write(name, bytes), bytes.length]];
    } catch {
      await this.#files.remove(name).catch(() => {});
      return parts;
    }
  }

  /** Groups small adjacent pieces. Returns those of each group with their lengths, and of several their bytes. */
  async #grouped(pieces: readonly Part[]): Promise<{ parts: readonly Part[]; bytes: Uint8Array | undefined }[]> {
    const groups: { parts: Part[]; blob: Blob }[] = [];
    for (const [i, blob] of (await each(pieces, (piece) => this.#part(piece))).entries()) {
      const part: Part = [pieces[i]![0], blob.size];
      const last = groups.at(-1);
      // Nothing was appended, or a dead page is about to write it.
      if (blob.size === 0) continue;
      if (last && Math.max(last.blob.size, blob.size) < PIECE_BYTES) {
        last.parts.push(part);
        last.blob = new Blob([last.blob, blob]);
      } else groups.push({ parts: [part], blob });
    }
    return each(groups, async ({ parts, blob }) => ({
      parts, bytes: parts.length > 1 ? new Uint8Array(await blob.arrayBuffer()) : undefined,
    }));
  }

  /** Returns an unused name for a file. */
  #newFile(): string {
    return `${this.#opening}.${this.#nextFile++}`;
  }

  /** Returns the valid bytes of a part; `anew`, as they are now. */
  async #part([name, bytes]: Part, anew = false): Promise<Blob> {
    const file = await this.#files.get(name, anew);
    // A part of a file takes longer to read.
    return bytes === undefined ? file : file.slice(0, bytes);
  }

  /** Writes a file that does not exist, and returns its name. */
  async #write(name: string, bytes: Uint8Array): Promise<string> {
    await step(`writing ${name} of ${this.#name}`, () => this.#files.write(name, bytes));
    return name;
  }

  /**
   * After a failure, finds out from the latest table and the names of the pieces which changes were made. If they
   * cannot be read, only reopening the index can tell.
   */
  async #recover(): Promise<void> {
    try {
      const look = await this.#steady(() => this.#load());
      this.#state = look;
      this.#opening = look.table!.opening;
      await this.#removeOthers(look.names);
    } catch (cause) {
      this.#end = () => fail("STORE_FAILED", `${this.#name}: a change has failed midway; open the index again`, cause);
    }
  }

  /** Removes those of these files that do not count, tables first. */
  async #removeOthers(names: Iterable<string>): Promise<void> {
    const counts = new Set(namesOf(this.#state));
    const others = [...names].filter((name) => !counts.has(name));
    const remove = (name: string) =>
      this.#files.remove(name).then(() => true, ({ name: why }: DOMException) => why === "NotFoundError");
    const removed = await each(others.filter(isTable), remove);
    // What cannot be removed does no harm, and the next writer tries again. But a reader may still take a table.
    if (removed.every(Boolean)) await each(others.filter((name) => !isTable(name)), remove);
  }
}

/** Returns the names of a table and of the files of its values. */
function namesOf({ table, values }: State): string[] {
  return table ? [table.name, ...[...values.values()].flatMap((value) => partsOf(value, table.opening).map(([name]) => name))] : [];
}
