// In Node the name of an index is a path.
import { resolve } from "node:path";

/**
 * Returns the absolute path, which stays valid if the program changes its directory. A file URL, which is no path, is
 * returned unchanged: places.node.ts refuses it.
 */
export function absolutePath(path: string): string {
  try {
    return path && !path.startsWith("file:") ? resolve(path) : path;
  } catch {
    // The current directory no longer exists. Opening the path reports that.
    return path;
  }
}
