// The store of Node: a directory of files, whose path is the name.
import { StorePlace, type Places } from "./place.js";

/** Loads the separate script of directories; see build.mjs. */
const directories = () => import("../stores/directory.js");

export const places: Places = {
  names: ["fs"],
  acquire: async (_, path, options) => new StorePlace(await (await directories()).openIndexDirectory(path, options), options.mode),
  destroy: async (_, path) => (await directories()).destroyDirectory(path),
};
