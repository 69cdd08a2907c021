// The names of indexes. In Node a name is a path, and what it means changes when the program changes its directory.

/** Turns a name into one that means the same later on. */
let lasting = (name: string): string => name;

/** Called by the entry files of Node. */
export function namesLast(by: typeof lasting): void {
  lasting = by;
}

/** What a name means at this moment, to be called before anything is waited for. A caller's own Store needs no name. */
export function nameNow<N>(name: N, store: unknown): N | string {
  return typeof name === "string" && typeof store !== "object" ? lasting(name) : name;
}
