// `node:fs/promises` with a fault planned: for tests of what is left when something stops midway. What changes a file or a
// directory, or brings it down to the medium, counts as a step; and each is told to `onStep` when it is done.
import { readFileSync } from "node:fs";
import * as real from "node:fs/promises";
import { basename } from "node:path";

export class Faulty {
  taken = 0;
  /** How many steps still work. */
  left = Infinity;
  /** After the first that does not work the others do again, and this is what it says; otherwise it is the end. */
  once = undefined;
  /** A write that does not work writes the first half all the same. */
  torn = false;
  onStep = () => {};
  #open = new Set();

  /** From now on `left` steps work. */
  plan(left, { once, torn = false } = {}) {
    Object.assign(this, { left, once, torn });
  }

  async #step(what, run, half = async () => {}) {
    if (this.left <= 0) {
      if (this.torn) await half();
      if (this.once) this.left = Infinity;
      throw this.once ?? new Error(`stopped before ${what.join(" ")}`);
    }
    this.left -= 1;
    this.taken += 1;
    const result = await run();
    this.onStep(...what);
    return result;
  }

  mkdir = (path, options) => this.#step(["mkdir"], () => real.mkdir(path, options));
  rmdir = (path) => this.#step(["rmdir"], () => real.rmdir(path));
  unlink = (path) => this.#step(["unlink", basename(path)], () => real.unlink(path));
  rename = (from, to) => this.#step(["rename", basename(from), basename(to)], () => real.rename(from, to));
  readFile = (path) => readFileSync(path);
  readdir = (path) => real.readdir(path);

  open = async (path, flags) => {
    const name = basename(path);
    const handle = flags === "r" ? await real.open(path, flags) : await this.#step(["open", name, flags], () => real.open(path, flags));
    this.#open.add(handle);
    const write = (bytes) => {
      const all = Buffer.from(bytes);
      return this.#step(["write", name, all], () => handle.appendFile(all), () => handle.appendFile(all.subarray(0, all.length >> 1)));
    };
    const sync = () => this.#step([flags === "r" ? "syncdir" : "sync", name], () => handle.sync());
    return { fd: handle.fd, writeFile: write, appendFile: write, sync, datasync: sync, close: () => this.#close(handle) };
  };

  /** Closes what a store that is given up has left open, as its end would. */
  async abandon() {
    for (const handle of this.#open) await this.#close(handle);
  }

  #close(handle) {
    this.#open.delete(handle);
    return handle.close();
  }
}

/** The directory as it is, with all its files; locks left out, since those who held them are said to be gone. */
export async function snapshot(path) {
  const names = (await real.readdir(path)).filter((name) => !name.startsWith("lock."));
  return new Map(await Promise.all(names.sort().map(async (name) => [name, await real.readFile(`${path}/${name}`)])));
}

/** Makes a directory of these files. */
export async function materialize(path, files) {
  await real.mkdir(path, { recursive: true });
  await Promise.all([...files].map(([name, bytes]) => real.writeFile(`${path}/${name}`, bytes)));
}
