/** The result expected from every worker. */
const stored = { filtered: ["north"], metrics: true, error: [true, "DIMENSION_MISMATCH"], size: 2, nearest: "north", gone: "NOT_FOUND" };
export const SEEN = { indexeddb: stored, opfs: stored };
