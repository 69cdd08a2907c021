// What the name of an index is in Node: a path.
import { resolve } from "node:path";

/** The absolute path, whatever directory the program is in later. */
export function absolutePath(path: string): string {
  try {
    return path && resolve(path);
  } catch {
    // The current directory is gone: opening says so.
    return path;
  }
}
