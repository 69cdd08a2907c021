// Node: a directory of files, which is the name.
import { StorePlace, type Places } from "./place.js";
import type { RawIndex, RawIndexClass } from "./raw.js";
import type { Mode } from "./store.js";
import type { Directory } from "./stores/directory.js";

/** A script of its own, so that none is large; see build.mjs. */
const directories = () => import("./stores/directory.js");

export const places: Places = {
  names: ["fs"],
  hold: async (_, path, options) => new DirectoryPlace(await (await directories()).openIndexDirectory(path, options), options.mode),
  destroy: async (_, path) => (await directories()).destroyDirectory(path),
};

class DirectoryPlace extends StorePlace {
  readonly #directory: Directory;
  #isOpen = false;

  constructor(directory: Directory, mode: Mode) {
    super(directory, mode);
    this.#directory = directory;
  }

  override async open(raw: RawIndexClass, options: object): Promise<RawIndex> {
    // Until it is open nobody else reads, and the core copies what it was given before it asks for more. When an index moves,
    // the one that it was may still read.
    this.#directory.reuse(!this.#isOpen);
    this.#isOpen = true;
    try {
      return await super.open(raw, options);
    } finally {
      this.#directory.reuse(false);
    }
  }
}
