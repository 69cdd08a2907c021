// OPFS, the browser's origin private file system, as a store. It uses the asynchronous interface, which is available on
// the main thread too.
//
// Not every browser can rename a file, but closing a writable replaces the content of a file atomically. So each value
// is in files with unique names, which are never reused, and a table maps keys to files. A commit happens when the
// table's writable is closed.
//
//     table.<number>.<opening>      {"<key>": ["<file>", ["<piece>", <bytes>], …], …}
//     <opening>.<n>                 a <file>: what a commit has written
//     <file>.<opening>.<n>          the pieces 1, 2, … that were appended to it
//
// Each opening for writing has a unique name, which is part of the names of all files that it writes. The valid table
// is the readable one with the highest number: the last one may be unreadable, since a file is created empty before it
// is written. A value is its file, then the pieces in the table, each up to the length in the table, then the pieces
// named after the table's opening.
//
// Calls that a page made before it died may take effect later, after the next writer has already looked at the files.
// So a writer first stores the state it found as a new table, with a number above all others, including those of empty
// tables. From then on late effects are invisible: a late table has a lower number, the file of a late value or a late
// piece is in no valid table, and a piece that grew is longer than the table says. The next writer removes all of
// these.
import { fail } from "../guard.js";
import type { Batch, Store, StoreOptions } from "../store.js";
import { each } from "./each.js";
import { readOnly, step } from "./failure.js";
import {
  bytesOf, freshOpening, partsOf, pieceName, tableName, tablesIn, valueOf, valuesIn, type TableName, type Value,
} from "./opfs-table.js";
import { takeWebLock } from "./web-lock.js";

/**
 * Approximate largest size of a piece. Appending copies the file, so larger pieces cost more; smaller ones mean more
 * files.
 */
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

/** For `catch`: ignores the error of a missing file, and throws any other. */
function unlessAbsent(error: DOMException): undefined {
  if (error.name !== "NotFoundError") throw error;
}

/** The valid table and its values. */
interface State {
  /** Undefined in a folder that no writer has written to. */
  readonly table: TableName | undefined;
  readonly values: Map<string, Value>;
}

/** The result of a look: the valid table, and the names of all files. */
interface Look extends State {
  readonly names: ReadonlySet<string>;
}

class OpfsStore implements Store {
  readonly #name: string;
  readonly #folder: FileSystemDirectoryHandle | undefined;
  readonly #writes: boolean;
  /** Removes the folder if it is empty, or fails. */
  readonly #discard: () => Promise<void>;
  readonly #release: () => Promise<void>;
  readonly #opening = freshOpening();
  #state: State = { table: undefined, values: new Map() };
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
    this.#folder = folder;
    this.#writes = writes;
    this.#discard = discard;
    this.#release = release;
  }

  /**
   * The first step of a writer: stores the state it found as a new table. Only then may it remove files or acknowledge
   * a change.
   */
  async begin(): Promise<void> {
    const { table, values, names } = await step(`opening ${this.#name}`, () => this.#steady(() => this.#look()));
    this.#isIdle = names.size === 0;
    this.#nextTable = 1 + (tablesIn(names)[0]?.number ?? 0);
    for (const [key, value] of values) {
      const appended = partsOf(value, table!.opening).slice(1 + value.kept.length);
      const sizes = await each(appended, ([name]) =>
        step(`opening ${this.#name}`, async () => [name, (await this.#file(name)).size] as const),
      );
      values.set(key, valueOf(value.file, [...value.kept, ...sizes.filter(([, size]) => size > 0)]));
    }
    await this.#store(values);
    await this.#removeOthers(names);
  }

  async read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    this.#end?.();
    return step(`reading ${this.#name}`, () =>
      this.#steady(async () => {
        const state = await this.#now();
        return each(keys, (key) => this.#value(state, key));
      }),
    );
  }

  async list(prefix: string): Promise<string[]> {
    this.#end?.();
    const { values } = await step(`reading ${this.#name}`, () => this.#steady(() => this.#now()));
    return [...values.keys()].filter((key) => key.startsWith(prefix));
  }

  async commit({ puts, deletes }: Batch): Promise<void> {
    this.#checkWritable();
    this.#isIdle = false;
    const values = new Map(this.#state.values);
    const old = [...puts.map(([key]) => key), ...deletes].flatMap((key) => values.get(key) ?? []);
    const names = namesOf({ table: this.#state.table, values: old });
    try {
      for (const key of deletes) values.delete(key);
      for (const [key] of puts) values.set(key, valueOf(`${this.#opening}.${this.#nextFile++}`));
      await each(puts, ([key, bytes]) => this.#write(values.get(key)!.file, bytes));
      await this.#store(values);
    } catch (error) {
      await this.#recover();
      throw error;
    }
    await this.#remove(names);
  }

  async append(key: string, bytes: Uint8Array): Promise<void> {
    this.#checkWritable();
    if (!this.#state.values.has(key)) await this.commit({ puts: [[key, new Uint8Array()]], deletes: [] });
    const value = this.#state.values.get(key)!;
    if (value.filled >= PIECE_BYTES) {
      value.pieces += 1;
      value.filled = 0;
    }
    try {
      await this.#write(pieceName(value.file, this.#opening, value.pieces), bytes, value.filled);
    } catch (error) {
      await this.#recover();
      throw error;
    }
    value.filled += bytes.length;
  }

  async close(): Promise<void> {
    this.#end = () => fail("CLOSED", `${this.#name} is closed`);
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
      await this.#folder!.removeEntry(this.#state.table!.name);
      await this.#discard();
    } catch {}
  }

  #checkWritable(): void {
    this.#end?.();
    if (!this.#writes) readOnly(this.#name);
  }

  /** Looks once at the content of the folder. CORRUPT if there are values and no readable table. */
  async #look(): Promise<Look> {
    const names = new Set<string>();
    try {
      if (this.#folder) for await (const name of this.#folder.keys()) names.add(name);
    } catch (error) {
      // A writer that has stored nothing removes its folder.
      if (this.#writes) throw error;
      unlessAbsent(error as DOMException);
    }
    const tables = tablesIn(names);
    // The first file written is a table. Until it is closed, some engines also list a temporary file beside it.
    let written = [...names].some((name) => !name.startsWith("table."));
    for (const table of tables) {
      const text = await (await this.#file(table.name)).text();
      const values = valuesIn(text);
      if (values) {
        for (const value of values.values()) {
          while (names.has(pieceName(value.file, table.opening, value.pieces + 1))) value.pieces += 1;
        }
        return { table, values, names };
      }
      written ||= text !== "";
    }
    if (written) fail("CORRUPT", `${this.#name}: its table of values is damaged or missing`);
    return { table: undefined, values: new Map(), names };
  }

  /** Looks once. Fails if files of the table are missing: a writer may have removed them since the table was read. */
  async #load(): Promise<Look> {
    const look = await this.#look();
    for (const name of namesOf({ ...look, values: look.values.values() })) {
      if (!look.names.has(name)) fail("STORE_FAILED", `${this.#name}: its file ${name} is missing`);
    }
    return look;
  }

  /** Returns the current state. A reader looks again at each call, since a writer may have changed it. */
  async #now(): Promise<State> {
    return this.#writes ? this.#state : this.#load();
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
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (LOOKS - left)));
      }
    }
  }

  async #value({ table, values }: State, key: string): Promise<Uint8Array | undefined> {
    const value = values.get(key);
    if (!value) return undefined;
    const parts = partsOf(value, table!.opening);
    const files = await Promise.all(parts.map(async ([name, bytes]) => (await this.#file(name)).slice(0, bytes)));
    const whole = files.length === 1 ? files[0]! : new Blob(files);
    return new Uint8Array(await whole.arrayBuffer());
  }

  /** Commits these values by writing a table of them. */
  async #store(values: Map<string, Value>): Promise<void> {
    const table = tableName(this.#nextTable++, this.#opening);
    await this.#write(table.name, bytesOf(values));
    this.#state = { table, values };
  }

  async #file(name: string): Promise<File> {
    return (await this.#folder!.getFileHandle(name)).getFile();
  }

  /** Writes a file after its first `kept` bytes. The write becomes visible as a whole when the writable is closed. */
  async #write(name: string, bytes: Uint8Array, kept = 0): Promise<void> {
    await step(`writing ${name} of ${this.#name}`, async () => {
      const handle = await this.#folder!.getFileHandle(name, { create: true });
      const writable = await handle.createWritable({ keepExistingData: kept > 0 });
      try {
        await writable.write({ type: "write", position: kept, data: bytes as Uint8Array<ArrayBuffer> });
        await writable.close();
      } catch (error) {
        await writable.abort().catch(() => {});
        throw error;
      }
    });
  }

  /**
   * After a failure, finds out from the latest table and the names of the pieces which changes were made. If they
   * cannot be read, only reopening the index can tell.
   */
  async #recover(): Promise<void> {
    try {
      const look = await this.#steady(() => this.#load());
      this.#state = look;
      await this.#removeOthers(look.names);
    } catch (cause) {
      this.#end = () => fail("STORE_FAILED", `${this.#name}: a change has failed midway; open the index again`, cause);
    }
  }

  /** Removes all files except the valid table and those of its values. */
  async #removeOthers(names: Iterable<string>): Promise<void> {
    const counts = new Set(namesOf({ ...this.#state, values: this.#state.values.values() }));
    await this.#remove([...names].filter((name) => !counts.has(name)));
  }

  /** Removes files. A file that cannot be removed does no harm, and the next writer tries again. */
  async #remove(names: readonly string[]): Promise<void> {
    await each(names, (name) => this.#folder!.removeEntry(name).catch(() => {}));
  }
}

/** Returns the names of a table and of the files of some of its values. */
function namesOf({ table, values }: { table: TableName | undefined; values: Iterable<Value> }): string[] {
  return table ? [table.name, ...Array.from(values, (value) => partsOf(value, table.opening).map(([name]) => name)).flat()] : [];
}
