// `node:fs/promises` with a planned fault, for tests of what is left when something stops midway. Each change or sync
// of a file or directory counts as a step and is reported to `onStep` when it is done. So does opening a file, unless
// it is only for reading.
import { readFileSync } from "node:fs";
import * as real from "node:fs/promises";
import { basename } from "node:path";

export class Faulty {
  taken = 0;
  /** Number of steps that still succeed. */
  left = Infinity;
  /** If set, only one step fails, with this error; otherwise all later steps fail too. */
  once = undefined;
  /** If true, a failing write still writes its first half. */
  torn = false;
  /** The kind of the last step that failed. */
  stoppedBefore = undefined;
  onStep = () => {};
  #open = new Set();

  /** From then on `left` steps succeed. */
  plan(left, { once, torn = false } = {}) {
    Object.assign(this, { left, once, torn });
  }

  async #step(what, run, half = async () => {}) {
    if (this.left <= 0) {
      if (this.torn) await half();
      if (this.once) this.left = Infinity;
      this.stoppedBefore = what[0];
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
    const isDirectory = (await handle.stat()).isDirectory();
    const sync = () => this.#step([isDirectory ? "syncdir" : "sync", name], () => handle.sync());
    return { fd: handle.fd, writeFile: write, appendFile: write, sync, datasync: sync, close: () => this.#close(handle) };
  };

  /** Closes what an abandoned store left open, as the end of its process would. */
  async abandon() {
    for (const handle of this.#open) await this.#close(handle);
  }

  #close(handle) {
    this.#open.delete(handle);
    return handle.close();
  }
}

/** Returns all files of the directory, without locks, since their owners are considered gone. */
export async function snapshot(path) {
  const names = (await real.readdir(path)).filter((name) => !name.startsWith("lock."));
  return new Map(await Promise.all(names.sort().map(async (name) => [name, await real.readFile(`${path}/${name}`)])));
}

/** Creates a directory with these files. */
export async function materialize(path, files) {
  await real.mkdir(path, { recursive: true });
  await Promise.all([...files].map(([name, bytes]) => real.writeFile(`${path}/${name}`, bytes)));
}
