// The files of one directory, and the file names of keys.
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import * as node from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fail, shown } from "../guard.js";
import { failed, step } from "./failure.js";

/** The part of Node's file system that is used here. */
export type FileSystem = Pick<typeof node, "mkdir" | "open" | "readdir" | "rename" | "rmdir" | "unlink"> & {
  readFile(path: string, room?: Room): Uint8Array;
};

/** Milliseconds of reading files after which other tasks get a turn of the event loop. */
const TURN_MS = 4;

/**
 * Reads a file on this thread: passing a few hundred kilobytes through another thread takes several times as long as
 * reading them.
 */
function readFile(path: string, room?: Room): Uint8Array {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const bytes = room?.take(size) ?? new Uint8Array(size);
    let end = 0;
    // A signal can end a read early, and the file can have shrunk.
    for (let read = 1; read > 0 && end < size; end += read) read = readSync(file, bytes, end, size - end, end);
    return bytes.subarray(0, end);
  } finally {
    closeSync(file);
  }
}

/** Memory that files are read into until it is full. */
export class Room {
  #used = 0;

  constructor(readonly bytes: Uint8Array) {}

  /** Returns the next `size` bytes. Undefined if fewer are left or the memory has been detached. */
  take(size: number): Uint8Array | undefined {
    const start = this.#used;
    if (!this.bytes.length || size > this.bytes.length - start) return undefined;
    this.#used += size;
    return this.bytes.subarray(start, start + size);
  }
}

const platform: FileSystem = { ...node, readFile };

const KEY = /^(?!commit$|lock\.)(?=.{1,64}$)[a-z0-9-][a-z0-9.-]*(\/[a-z0-9-][a-z0-9.-]*)*$/;

/** Returns the name of a key's file. STORE_FAILED for a text that is not a key. */
export function nameOf(key: string): string {
  if (!KEY.test(key)) fail("STORE_FAILED", `${shown(key)} is no key`);
  return key.replaceAll("/", "_");
}

/** Returns the key whose file has this name; undefined for any other file. */
export function keyOf(name: string): string | undefined {
  const key = name.replaceAll("_", "/");
  return KEY.test(key) && !name.includes("/") ? key : undefined;
}

/** For `catch`: ignores the error of a missing file, and throws any other. */
function unlessAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

/** One directory. The message of a failure says what was done, and to which file. */
export class Files {
  readonly #fs: FileSystem;
  #turnEnds = 0;
  /**
   * The error of waiting for the names in a directory, once that has failed. What is on the medium is then unknown, and
   * waiting again would prove nothing: the system may have dropped what it could not write.
   */
  syncError: unknown;

  constructor(readonly path: string, fs: FileSystem = platform) {
    this.#fs = fs;
  }

  /** Creates the directory and its parents durably. Returns false if it existed already. */
  async create(): Promise<boolean> {
    const first = await step(`creating ${this.path}`, () => this.#fs.mkdir(this.path, { recursive: true }));
    if (first === undefined) return false;
    for (let at = this.path; at.length >= first.length; at = dirname(at)) await this.sync(dirname(at));
    return true;
  }

  /**
   * Removes the directory if possible. It stays if it holds other files, if it is a mount point or a symbolic link, or
   * if its parent may not be changed. That does no harm: the values are already removed.
   */
  async destroy(): Promise<void> {
    await this.#fs.rmdir(this.path).catch(() => {});
  }

  /** Returns the names of all files; undefined if there is no directory. */
  names(): Promise<string[] | undefined> {
    return step(`listing ${this.path}`, () => this.#fs.readdir(this.path).catch(unlessAbsent));
  }

  /** Reads a file, into `room` if it fits. Undefined if there is no such file. */
  read(name: string, room?: Room): Uint8Array | undefined {
    return this.#readingOf(name, (path) => this.#fs.readFile(path, room));
  }

  /** What tells a file from every other of the same name. Undefined if there is no such file. */
  identity(name: string): string | undefined {
    // Not the device, of which `stat` and `fstat` of some versions for Windows report different numbers.
    return this.#readingOf(name, (path) => {
      const { ino, ctimeNs, size } = statSync(path, { bigint: true });
      return [ino, ctimeNs, size].join();
    });
  }

  /** The result of a synchronous call on a file. Undefined if there is no such file. */
  #readingOf<T>(name: string, run: (path: string) => T): T | undefined {
    // Not `join`, which would take time for each of hundreds of files: a name needs no resolving.
    const path = this.path + sep + name;
    try {
      return run(path);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : failed(`reading ${path}`, error);
    }
  }

  /** Gives up the thread when it is time. Await it between two files, so that reading many does not hold the thread. */
  breathe(): Promise<void> | undefined {
    if (performance.now() < this.#turnEnds) return undefined;
    return turn().then(() => { this.#turnEnds = performance.now() + TURN_MS; });
  }

  /** Opens a file for writing. `flags` are those of `fs.open`. */
  open(name: string, flags: string): Promise<node.FileHandle> {
    const path = join(this.path, name);
    return step(`opening ${path}`, () => this.#fs.open(path, flags));
  }

  /** Writes or replaces a file, and waits until it is on the medium. */
  async write(name: string, bytes: Uint8Array | string): Promise<void> {
    const handle = await this.open(name, "w");
    await step(`writing ${join(this.path, name)}`, async () => {
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  }

  /** Waits until every byte of a file is on the medium, whoever wrote it. Does nothing if there is no such file. */
  async settle(name: string): Promise<void> {
    const path = join(this.path, name);
    await step(`syncing ${path}`, async () => {
      // Windows only syncs files that are open for writing. Elsewhere this user may be unable to write the file.
      const handle = await this.#fs.open(path, process.platform === "win32" ? "r+" : "r").catch(unlessAbsent);
      await handle?.sync().finally(() => handle.close());
    });
  }

  /** Renames a file, replacing any file with the new name. */
  rename(from: string, to: string): Promise<void> {
    const path = join(this.path, from);
    return step(`renaming ${path}`, () => this.#fs.rename(path, join(this.path, to)));
  }

  /** Removes a file if it exists. */
  async remove(name: string): Promise<void> {
    const path = join(this.path, name);
    await step(`removing ${path}`, () => this.#fs.unlink(path).catch(unlessAbsent));
  }

  /** Waits until the names in a directory are on the medium. Windows has no such call and does not need it. */
  async sync(path = this.path): Promise<void> {
    if (process.platform === "win32") return;
    await step(`syncing ${path}`, async () => {
      const handle = await this.#fs.open(path, "r");
      try {
        await handle.sync();
      } catch (error) {
        this.syncError = error;
        throw error;
      } finally {
        await handle.close();
      }
    });
  }
}
