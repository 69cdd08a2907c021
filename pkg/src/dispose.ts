/**
 * The name of the method that `await using` calls. On platforms without it, compilers of `await using` look up the
 * symbol registered under its name.
 */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");
