/** How many rows the writer that is killed gives `insertMany` in one call. */
export const MANY = 200;
