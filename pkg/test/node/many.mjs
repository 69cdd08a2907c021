/** Number of rows that the killed writer passes to one call of `insertMany`. */
export const MANY = 200;
