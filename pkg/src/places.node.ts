// Node: a directory of files, which is the name.
import { StorePlace, type Places } from "./place.js";
import { destroyDirectory, openIndexDirectory } from "./stores/directory.js";

export const places: Places = {
  names: ["fs"],
  hold: async (_, path, options) => new StorePlace(await openIndexDirectory(path, options), options.mode),
  destroy: (_, path) => destroyDirectory(path),
};
