// The files of a folder in OPFS. To look one up by its name, to ask for its content, and to read that take a request to
// the browser each. No file is written twice (opfs.ts), so handles that a list gave, and files that were read, stay
// good, but for files that a page changes after it has died.

/** The browser keeps what it needs to read so many files. */
const MOST_FILES = 1024;

export class OpfsFiles {
  readonly #folder: FileSystemDirectoryHandle | undefined;
  #handles = new Map<string, FileSystemFileHandle>();
  /** Files that were read. */
  readonly #read = new Map<string, File>();

  /** Without a folder there are no files. */
  constructor(folder: FileSystemDirectoryHandle | undefined) {
    this.#folder = folder;
  }

  /** Lists the names of all files. With `mayVanish` a folder that is removed has none, or those that were seen. */
  async list(mayVanish: boolean): Promise<ReadonlySet<string>> {
    const handles = new Map<string, FileSystemFileHandle>();
    try {
      if (this.#folder) {
        for await (const [name, handle] of this.#folder.entries()) handles.set(name, handle as FileSystemFileHandle);
      }
    } catch (error) {
      if (!mayVanish) throw error;
      unlessAbsent(error as DOMException);
    }
    this.forget();
    this.#handles = handles;
    return new Set(handles.keys());
  }

  /** Returns a file as it was when it was read first, since the last list; `anew`, as it is now, if it still is. */
  async get(name: string, anew = false): Promise<File> {
    const before = this.#read.get(name);
    if (before && !anew) return before;
    const handle = this.#handles.get(name) ?? (await this.#folder!.getFileHandle(name));
    this.#handles.set(name, handle);
    const file = await handle.getFile();
    if (anew) return file;
    if (this.#read.size >= MOST_FILES) this.#read.clear();
    this.#read.set(name, file);
    return file;
  }

  /** Returns whether there is a file of this name. */
  async has(name: string): Promise<boolean> {
    const handle = await this.#folder!.getFileHandle(name).catch(unlessAbsent);
    if (handle) this.#handles.set(name, handle);
    return handle !== undefined;
  }

  /** Writes a file that does not exist. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    // Of a view, WebKit writes all of its buffer.
    const whole = bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
    const handle = await this.#folder!.getFileHandle(name, { create: true });
    const writable = await handle.createWritable();
    try {
      await writable.write(whole as Uint8Array<ArrayBuffer>);
      await writable.close();
      this.#handles.set(name, handle);
    } catch (error) {
      await writable.abort().catch(() => {});
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    this.#handles.delete(name);
    this.#read.delete(name);
    await this.#folder!.removeEntry(name);
  }

  /** Looks each file up again from here on. */
  forget(): void {
    this.#handles.clear();
    this.#read.clear();
  }
}

/** For `catch`: ignores the error of a missing file, and throws any other. */
export function unlessAbsent(error: DOMException): undefined {
  if (error.name !== "NotFoundError") throw error;
}
