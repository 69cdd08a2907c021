// The modules that build/glue.mjs generates from wasm-bindgen's output.

declare module "thermocline-glue" {
  /** Creates a fresh WebAssembly instance. */
  export default function instantiate(module: WebAssembly.Module): Promise<import("./raw.js").RawInstance>;
}

declare module "thermocline-shared-glue" {
  /**
   * Creates a fresh instance of the module with shared memory. `memoryOf` creates the memory, with `initial` to `most`
   * pages.
   */
  export default function instantiate(
    module: WebAssembly.Module, memoryOf: (initial: number, most: number) => WebAssembly.Memory,
  ): Promise<import("./threads/raw.js").RawInstance>;
}
