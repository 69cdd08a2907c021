// A private file system whose pages die: a dead page's pending requests happen later, at any time, in any order, or
// never. Closing a writable may be cut off: then the file has the first bytes of what was to be written, as where the
// browser copies them over the old ones.
import { random } from "./model.mjs";

const absent = (name) => new DOMException(`${name} is not there`, "NotFoundError");
const never = () => new Promise(() => {});
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** One folder, for pages that come and go. The seed determines which late requests happen when. */
export class LateFolder {
  files = new Map();
  /** The requests of dead pages: the name of the file, and what is done to it. */
  late = [];
  #next;
  #seldom;

  /** With each step of a page, a late request happens with probability 1/`seldom`; never if it is Infinity. */
  constructor(seed = 1, seldom = Infinity) {
    this.#next = random(seed);
    this.#seldom = seldom;
  }

  /** Makes all late requests happen now, or only those matching `what`. */
  land(what = () => true) {
    const landing = this.late.filter(what);
    this.late = this.late.filter((ask) => !landing.includes(ask));
    for (const { run } of landing) run();
  }

  page() {
    return new Page(this);
  }

  /** Called before each step of a page. */
  drift() {
    if (this.late.length === 0 || this.#next() * this.#seldom >= 1) return;
    const [{ run }] = this.late.splice(Math.floor(this.#next() * this.late.length), 1);
    run();
  }
}

/**
 * A page's view: `root` is passed to openOpfs. The page dies when it requests a change for which `diesAt` returns true,
 * before the change is made.
 */
class Page {
  /**
   * Called with the kind of the change ("create", "close" or "remove"), the name of the file, and the number of earlier
   * changes.
   */
  diesAt = () => false;
  /** Called likewise. The change for which it returns true fails, and the page lives on. */
  failsAt = () => false;
  /**
   * If it is set, a close at which the page dies, or which fails, leaves this number of bytes in the file. Called with
   * the length of the file and the length it was to have.
   */
  cut;
  dead = false;
  /** Number of changes requested so far. */
  asked = 0;
  #folder;
  #die;
  /** Resolves when the page dies. */
  died = new Promise((resolve) => (this.#die = resolve));

  constructor(folder) {
    this.#folder = folder;
  }

  kill() {
    this.dead = true;
    this.#die();
  }

  root = async () => ({
    getDirectoryHandle: async () => this.#directory(),
    removeEntry: (name, { recursive } = {}) =>
      this.#ask("remove", name, () => {
        const { files } = this.#folder;
        if (files.size > 0 && !recursive) throw new DOMException(`${name} has files`, "InvalidModificationError");
        files.clear();
      }),
  });

  /** Requests a change. `midway` leaves it half done. */
  async #ask(kind, name, run, midway = () => {}) {
    if (this.dead) return never();
    const asked = this.asked++;
    if (this.failsAt(kind, name, asked)) {
      midway();
      throw new DOMException(`${kind} of ${name} was cut off`, "AbortError");
    }
    if (this.diesAt(kind, name, asked)) {
      midway();
      this.kill();
    }
    await turn();
    if (this.dead) {
      // Nobody receives a failure of a late request.
      this.#folder.late.push({ kind, name, run: () => { try { run(); } catch {} } });
      return never();
    }
    this.#folder.drift();
    return run();
  }

  /** Reading changes nothing, and a dead page gets no answer. */
  async #see(run) {
    await turn();
    if (this.dead) return never();
    this.#folder.drift();
    return run();
  }

  #directory() {
    const { files } = this.#folder;
    const page = this;
    return {
      getFileHandle: (name, { create } = {}) =>
        create
          ? this.#ask("create", name, () => this.#file(name, files.has(name) || files.set(name, new Uint8Array())))
          : this.#see(() => this.#file(name, files.has(name))),
      removeEntry: (name) =>
        this.#ask("remove", name, () => {
          if (!files.delete(name)) throw absent(name);
        }),
      async *entries() {
        // Reversed: nothing may depend on the order.
        yield* await page.#see(() => [...files.keys()].reverse().map((name) => [name, page.#file(name, true)]));
      },
    };
  }

  #file(name, there) {
    if (!there) throw absent(name);
    const { files } = this.#folder;
    return {
      getFile: () =>
        this.#see(() => {
          if (!files.has(name)) throw absent(name);
          return new File([files.get(name)], name);
        }),
      createWritable: async ({ keepExistingData } = {}) => {
        let bytes = await this.#see(() => {
          if (!files.has(name)) throw absent(name);
          return keepExistingData ? files.get(name) : new Uint8Array();
        });
        return {
          write: async (what) => {
            const { position = 0, data = what } = what;
            const whole = new Uint8Array(Math.max(bytes.length, position + data.length));
            whole.set(bytes);
            whole.set(data, position);
            bytes = whole;
          },
          close: () => {
            const cutOff = () => {
              if (this.cut && files.has(name)) files.set(name, bytes.slice(0, this.cut(files.get(name).length, bytes.length)));
            };
            return this.#ask("close", name, () => void files.set(name, bytes), cutOff);
          },
          abort: async () => {},
        };
      },
    };
  }
}
