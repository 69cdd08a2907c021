// What the build makes of wasm-bindgen's output (see build/glue.mjs): each call is one fresh WebAssembly instance, of an index
// that can be stored if there is a second module.
declare module "thermocline-glue" {
  export default function instantiate(module: WebAssembly.Module, storeModule?: WebAssembly.Module): Promise<import("./raw.js").RawInstance>;
}

// The same of the module whose memory is shared, in a memory that the second argument makes, of at least and at most so many pages.
declare module "thermocline-shared-glue" {
  export default function instantiate(module: WebAssembly.Module, memoryOf: (initial: number, most: number) => WebAssembly.Memory): Promise<import("./threads/raw.js").RawInstance>;
}
