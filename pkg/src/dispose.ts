/**
 * The name of the method that `await using` calls. Where the platform does not know it yet, compilers of `await using`
 * look for the symbol that is registered under its name.
 */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");
