// The names of indexes. In Node a name is a path, and what it means changes when the program changes its directory.

/** Turns a name into one that means the same later on. */
let lasting = (name: string): string => name;

/** Sets how names are made lasting. Called by the entry files of Node. */
export function namesLast(by: typeof lasting): void {
  lasting = by;
}

/**
 * Returns a name that means the same later on, whatever directory the program changes to. Call it before awaiting
 * anything. With a caller's own Store a name is no path, and is returned unchanged.
 */
export function nameNow<N>(name: N, store: unknown): N | string {
  return typeof name === "string" && typeof store !== "object" ? lasting(name) : name;
}
