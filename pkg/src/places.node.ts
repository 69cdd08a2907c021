// Node: a directory of files, which is the name.
import { StorePlace, type Places } from "./place.js";

/** A script of its own, so that none is large; see build.mjs. */
const directories = () => import("./stores/directory.js");

export const places: Places = {
  names: ["fs"],
  hold: async (_, path, options) => new StorePlace(await (await directories()).openIndexDirectory(path, options), options.mode),
  destroy: async (_, path) => (await directories()).destroyDirectory(path),
};
