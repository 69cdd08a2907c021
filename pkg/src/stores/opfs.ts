// The browser's private file system as a store, by its asynchronous half, which the main thread has too.
//
// There is no rename everywhere, but closing a writable replaces a file's content at once. So every value lies in files of
// names that no other has had, and a table says which file is whose value: its closing is the moment of a commit.
//
//     table.<number>.<opening>      {"<key>": ["<file>", ["<piece>", <bytes>], …], …}
//     <opening>.<n>                 what a commit put there: a <file>
//     <file>.<opening>.<n>          what was appended to it, in pieces 1, 2, …
//
// An opening for writing has a name of its own, and it is in the names of all files that it writes. Of the tables the one with
// the highest number counts that can be read as one: a file is made, empty, before anything is written to it. A value is its
// file, then the pieces in the table, each as far as is said there, then the pieces that are named after the table's opening.
//
// What a page had asked for when it died can happen later, when the next has already looked around. So, before anything else,
// a writer stores what it has found as a table of its own, under a number above all that are there, empty ones too. From
// then on nothing that comes late is seen: a table has a lower number, a value's file is in no table that counts, nor is a
// new piece, and a piece that grew is longer than the table says. All of it is left over, and the next writer removes it.
import { fail } from "../guard.js";
import type { Batch, Store, StoreOptions } from "../store.js";
import { each } from "./each.js";
import { readOnly, step } from "./failure.js";
import { bytesOf, freshOpening, partsOf, pieceName, tableName, tablesIn, valueOf, valuesIn, type TableName, type Value } from "./opfs-table.js";
import { takeWebLock } from "./web-lock.js";

/** To write into a file copies it first, and each file takes its time to be opened: a piece grows to about this length. */
const PIECE_BYTES = 64 << 10;
/** How often a look that something has changed under is taken. With a pause before each, it is a third of a second. */
const LOOKS = 12;
const PAUSE_MS = 5;

/**
 * Opens the place of this name: for writing it is made if need be, and LOCKED while another writer has it. For reading
 * nothing changes, and one that is not there is empty. There is no way to wait for the medium here, so durability is as the
 * browser has it: "relaxed". `root` is for tests.
 */
export async function openOpfs(name: string, options: Pick<StoreOptions, "mode"> = {}, root = originRoot): Promise<Store> {
  const writes = options.mode !== "readonly";
  const release = writes ? await takeWebLock(lockOf(name)) : async () => {};
  try {
    const folder = await step(`opening ${name}`, async () =>
      (await root()).getDirectoryHandle(folderOf(name), { create: writes }).catch(unlessAbsent),
    );
    const store = new OpfsStore(name, folder, writes, release);
    if (writes) await store.begin();
    return store;
  } catch (error) {
    await release();
    throw error;
  }
}

/** Removes the place of this name with all that is in it. LOCKED while a writer has it. */
export async function destroyOpfs(name: string, root = originRoot): Promise<void> {
  const release = await takeWebLock(lockOf(name));
  try {
    await step(`removing ${name}`, async () => (await root()).removeEntry(folderOf(name), { recursive: true }).catch(unlessAbsent));
  } finally {
    await release();
  }
}

const originRoot = () => navigator.storage.getDirectory();
const lockOf = (name: string) => `thermocline-opfs:${name}`;
const folderOf = (name: string) => `thermocline-${encodeURIComponent(name)}`;

function unlessAbsent(error: DOMException): undefined {
  if (error.name !== "NotFoundError") throw error;
}

/** The table that counts, and what is in it. */
interface State {
  /** None in a folder that nobody has written to. */
  readonly table: TableName | undefined;
  readonly values: Map<string, Value>;
}

/** What is in a folder: with the names of all files. */
interface Look extends State {
  readonly names: ReadonlySet<string>;
}

class OpfsStore implements Store {
  readonly #name: string;
  readonly #folder: FileSystemDirectoryHandle | undefined;
  readonly #writes: boolean;
  readonly #release: () => Promise<void>;
  readonly #opening = freshOpening();
  #state: State = { table: undefined, values: new Map() };
  #nextTable = 1;
  #nextFile = 1;
  /** Says why nothing can be done any more. */
  #end: (() => never) | undefined;

  constructor(name: string, folder: FileSystemDirectoryHandle | undefined, writes: boolean, release: () => Promise<void>) {
    this.#name = name;
    this.#folder = folder;
    this.#writes = writes;
    this.#release = release;
  }

  /** A writer's first step: its own table of what is there. Only then may anything be removed, or be said to be stored. */
  async begin(): Promise<void> {
    const { table, values, names } = await step(`opening ${this.#name}`, () => this.#steady(() => this.#look()));
    this.#nextTable = 1 + (tablesIn(names)[0]?.number ?? 0);
    for (const [key, value] of values) {
      const appended = partsOf(value, table!.opening).slice(1 + value.kept.length);
      const sizes = await each(appended, ([name]) => step(`opening ${this.#name}`, async () => [name, (await this.#file(name)).size] as const));
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
    await this.#release();
  }

  #checkWritable(): void {
    this.#end?.();
    if (!this.#writes) readOnly(this.#name);
  }

  /** Looks once at what is there. */
  async #look(): Promise<Look> {
    const names = new Set<string>();
    if (this.#folder) for await (const name of this.#folder.keys()) names.add(name);
    const tables = tablesIn(names);
    // The first thing to be there is a table; until it is whole, an engine may show what it keeps beside it for its writing.
    let written = [...names].some((name) => !name.startsWith("table."));
    for (const table of tables) {
      const text = await (await this.#file(table.name)).text();
      const values = valuesIn(text);
      if (values) {
        for (const value of values.values()) while (names.has(pieceName(value.file, table.opening, value.pieces + 1))) value.pieces += 1;
        return { table, values, names };
      }
      written ||= text !== "";
    }
    if (written) fail("CORRUPT", `${this.#name}: its table of values is damaged or missing`);
    return { table: undefined, values: new Map(), names };
  }

  /** Looks once, and fails unless what it has seen belongs together: beside a writer a table's files may be gone already. */
  async #load(): Promise<Look> {
    const look = await this.#look();
    for (const name of namesOf({ ...look, values: look.values.values() })) {
      if (!look.names.has(name)) fail("STORE_FAILED", `${this.#name}: its file ${name} is missing`);
    }
    return look;
  }

  /** A reader looks at what is there before each call, since a writer may have been there meanwhile. */
  async #now(): Promise<State> {
    return this.#writes ? this.#state : this.#load();
  }

  /** Looks again when it fails, since files vanish and change beside a writer, or when what a dead one had asked for happens. */
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
    const files = await Promise.all(partsOf(value, table!.opening).map(async ([name, bytes]) => (await this.#file(name)).slice(0, bytes)));
    const whole = files.length === 1 ? files[0]! : new Blob(files);
    return new Uint8Array(await whole.arrayBuffer());
  }

  /** Makes these the values. */
  async #store(values: Map<string, Value>): Promise<void> {
    const table = tableName(this.#nextTable++, this.#opening);
    await this.#write(table.name, bytesOf(values));
    this.#state = { table, values };
  }

  async #file(name: string): Promise<File> {
    return (await this.#folder!.getFileHandle(name)).getFile();
  }

  /** Writes behind the first `kept` bytes of a file. Nothing of it is there before it is closed, and then all. */
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

  /** After a failure the newest table and the names of the pieces say what was done. If even they cannot be read, only opening again can tell. */
  async #recover(): Promise<void> {
    try {
      const look = await this.#steady(() => this.#load());
      this.#state = look;
      await this.#removeOthers(look.names);
    } catch (cause) {
      this.#end = () => fail("STORE_FAILED", `${this.#name}: a change has failed midway; open the index again`, cause);
    }
  }

  /** Removes all that is not part of what counts. */
  async #removeOthers(names: Iterable<string>): Promise<void> {
    const counts = new Set(namesOf({ ...this.#state, values: this.#state.values.values() }));
    await this.#remove([...names].filter((name) => !counts.has(name)));
  }

  /** What cannot be removed now is in nobody's way, and the next writer tries again. */
  async #remove(names: readonly string[]): Promise<void> {
    await each(names, (name) => this.#folder!.removeEntry(name).catch(() => {}));
  }
}

/** A table and the files of some of its values. */
function namesOf({ table, values }: { table: TableName | undefined; values: Iterable<Value> }): string[] {
  return table ? [table.name, ...Array.from(values, (value) => partsOf(value, table.opening).map(([name]) => name)).flat()] : [];
}
