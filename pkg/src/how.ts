// How the core chooses the id of a record that is put into it (src/wasm/raw_index.rs).

/** The next number that was never used. */
export const NEXT = 0;
/** The given id, which no live record has. */
export const NEW = 1;
/** The given id, whose record is replaced, if there is one. */
export const REPLACED = 2;

export type How = typeof NEXT | typeof NEW | typeof REPLACED;
