// The store of Node: a directory of files, whose path is the name.
import { wrong } from "../guard.js";
import { StorePlace, type Places } from "./place.js";

/** Loads the separate script of directories; see build.mjs. */
const directories = () => import("../stores/directory.js");

export const places: Places = {
  names: ["fs"],
  async acquire(_, name, options) {
    const path = pathOf(name);
    return new StorePlace(await (await directories()).openIndexDirectory(path, options), options.mode);
  },
  async destroy(_, name) {
    const path = pathOf(name);
    return (await directories()).destroyDirectory(path);
  },
};

/** Returns the name if it can be a path. As a path, a file URL would be that of a directory named "file:". */
function pathOf(name: string): string {
  if (name.startsWith("file:")) wrong("name", "a path, such as fileURLToPath() of node:url makes of a URL", name);
  if (name.includes("\0")) wrong("name", "a path, which has no null character", name);
  return name;
}
