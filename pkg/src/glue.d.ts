// What the build makes of wasm-bindgen's output (see build/glue.mjs): each call is one fresh WebAssembly instance.
declare module "thermocline-glue" {
  export default function instantiate(module: WebAssembly.Module): Promise<import("./raw.js").RawInstance>;
}
