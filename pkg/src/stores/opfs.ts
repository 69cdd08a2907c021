// The browser's private file system as a store, by its asynchronous half, which the main thread has too.
//
// There is no rename everywhere, but closing a writable replaces a file's content at once. So every value lies in files of
// a fresh number, and one small file says which number is whose value: its replacement is the moment of a commit.
//
//     table                {"<key>": <number>, …}
//     <number>             what a commit put there
//     <number>.<piece>     what was appended to it, in pieces 1, 2, …
//
// Any other file is what is left of something that was cut off, and the next writer removes it.
import { fail } from "../guard.js";
import type { Batch, Store, StoreOptions } from "../store.js";
import { each } from "./each.js";
import { readOnly, step } from "./failure.js";
import { takeWebLock } from "./web-lock.js";

/** One value: its number, how many pieces were appended, and the bytes in the last; Infinity when no more should go in. */
interface Value {
  readonly number: number;
  pieces: number;
  filled: number;
}

const TABLE = "table";
/** To write into a file copies it first, and each file takes its time to be opened: a piece grows to about this length. */
const PIECE_BYTES = 64 << 10;

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
    if (writes) await store.load();
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

class OpfsStore implements Store {
  readonly #name: string;
  readonly #folder: FileSystemDirectoryHandle | undefined;
  readonly #writes: boolean;
  readonly #release: () => Promise<void>;
  #values = new Map<string, Value>();
  #next = 1;
  /** Says why nothing can be done any more. */
  #end: (() => never) | undefined;

  constructor(name: string, folder: FileSystemDirectoryHandle | undefined, writes: boolean, release: () => Promise<void>) {
    this.#name = name;
    this.#folder = folder;
    this.#writes = writes;
    this.#release = release;
  }

  /** Learns what is there. A writer removes what is left of what was cut off. */
  async load(): Promise<void> {
    if (!this.#folder) return;
    const folder = this.#folder;
    const [numbers, names] = await step(`opening ${this.#name}`, async () => {
      const table = await this.#file(TABLE).catch(unlessAbsent);
      const names = new Set<string>();
      for await (const name of folder.keys()) names.add(name);
      return [table ? tableOf(this.#name, await table.text()) : [], names] as const;
    });
    names.delete(TABLE);
    for (const name of names) this.#pass(parseInt(name));
    this.#values = new Map();
    for (const [key, number] of numbers) {
      this.#pass(number);
      const value = { number, pieces: 0, filled: Infinity };
      while (names.has(`${number}.${value.pieces + 1}`)) value.pieces += 1;
      for (const name of filesOf(value)) names.delete(name);
      this.#values.set(key, value);
    }
    if (this.#writes) await this.#remove(names);
  }

  async read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    await this.#begin();
    return each(keys, (key) =>
      step(`reading ${key} of ${this.#name}`, async () => {
        const value = this.#values.get(key);
        if (!value) return undefined;
        const files = await Promise.all(filesOf(value).map((name) => this.#file(name)));
        const whole = files.length === 1 ? files[0]! : new Blob(files);
        return new Uint8Array(await whole.arrayBuffer());
      }),
    );
  }

  async list(prefix: string): Promise<string[]> {
    await this.#begin();
    return [...this.#values.keys()].filter((key) => key.startsWith(prefix));
  }

  async commit({ puts, deletes }: Batch): Promise<void> {
    await this.#begin("to write");
    const values = new Map(this.#values);
    const old = [...puts.map(([key]) => key), ...deletes].flatMap((key) => values.get(key) ?? []);
    try {
      for (const key of deletes) values.delete(key);
      for (const [key] of puts) values.set(key, { number: this.#next++, pieces: 0, filled: Infinity });
      await each(puts, ([key, bytes]) => this.#write(`${values.get(key)!.number}`, bytes));
      const numbers = Object.fromEntries([...values].map(([key, { number }]) => [key, number]));
      await this.#write(TABLE, new TextEncoder().encode(JSON.stringify(numbers)));
    } catch (error) {
      // All or nothing: the table says which. If even that cannot be read, only opening again can tell.
      await this.load().catch((cause: unknown) => {
        this.#end = () => fail("STORE_FAILED", `${this.#name}: a commit has failed midway; open the index again`, cause);
      });
      throw error;
    }
    this.#values = values;
    await this.#remove(old.flatMap(filesOf));
  }

  async append(key: string, bytes: Uint8Array): Promise<void> {
    await this.#begin("to write");
    if (!this.#values.has(key)) await this.commit({ puts: [[key, new Uint8Array()]], deletes: [] });
    const value = this.#values.get(key)!;
    if (value.filled >= PIECE_BYTES) {
      value.pieces += 1;
      value.filled = 0;
    }
    await this.#write(`${value.number}.${value.pieces}`, bytes, value.filled);
    value.filled += bytes.length;
  }

  async close(): Promise<void> {
    this.#end = () => fail("CLOSED", `${this.#name} is closed`);
    await this.#release();
  }

  /** Before each call. A reader looks at what is there now, since a writer may have been there meanwhile. */
  async #begin(toWrite?: "to write"): Promise<void> {
    this.#end?.();
    if (toWrite && !this.#writes) readOnly(this.#name);
    if (!this.#writes) await this.load();
  }

  /** No file that is there may be taken for a new one. */
  #pass(number: number): void {
    if (number >= this.#next) this.#next = number + 1;
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

  /** What cannot be removed now is in nobody's way, and the next writer tries again. */
  async #remove(names: Iterable<string>): Promise<void> {
    await each([...names], (name) => this.#folder!.removeEntry(name).catch(() => {}));
  }
}

function filesOf({ number, pieces }: Value): string[] {
  return [`${number}`, ...Array.from({ length: pieces }, (_, i) => `${number}.${i + 1}`)];
}

/** Empty when it was made and never written. */
function tableOf(name: string, text: string): [string, number][] {
  try {
    const numbers = Object.entries(JSON.parse(text || "{}") as Record<string, number>);
    if (numbers.every(([, number]) => Number.isSafeInteger(number) && number > 0)) return numbers;
  } catch {}
  fail("CORRUPT", `${name}: its table of values is damaged`);
}
