// What build/glue.mjs makes of wasm-bindgen's output.

declare module "thermocline-glue" {
  /** Makes a fresh WebAssembly instance; with the second module, of an index that can be stored. */
  export default function instantiate(
    module: WebAssembly.Module, storeModule?: WebAssembly.Module,
  ): Promise<import("./raw.js").RawInstance>;
}

declare module "thermocline-shared-glue" {
  /**
   * Makes a fresh instance of the module whose memory is shared. `memoryOf` makes its memory, of `initial` to `most`
   * pages.
   */
  export default function instantiate(
    module: WebAssembly.Module, memoryOf: (initial: number, most: number) => WebAssembly.Memory,
  ): Promise<import("./threads/raw.js").RawInstance>;
}
