// In Node the name of an index is a path.
import { resolve } from "node:path";

/** Returns the absolute path, which stays valid if the program changes its directory. */
export function absolutePath(path: string): string {
  try {
    return path && resolve(path);
  } catch {
    // The current directory no longer exists. Opening the path reports that.
    return path;
  }
}
