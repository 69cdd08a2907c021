// `thermocline/worker` on every platform: the interface of "thermocline" in a worker of its own, which this version does
// not have. Whoever imports it is told so by each call, in the words of an error they can branch on.
import { fail } from "./guard.js";
import type * as main from "./vector-index.js";

export { ThermoclineError } from "./errors.js";

/** What the real one is made by. All of it is INVALID_OPTION. */
export const VectorIndex: Pick<typeof main.VectorIndex, "memory" | "open" | "import" | "destroy"> = class VectorIndex {
  static {
    // The minifier shortens it, and consoles show it.
    Object.defineProperty(this, "name", { value: "VectorIndex" });
  }

  constructor() {
    unavailable("new VectorIndex");
  }

  static async memory(): Promise<never> {
    unavailable("VectorIndex.memory");
  }

  static async open(): Promise<never> {
    unavailable("VectorIndex.open");
  }

  static async import(): Promise<never> {
    unavailable("VectorIndex.import");
  }

  static async destroy(): Promise<never> {
    unavailable("VectorIndex.destroy");
  }
};

function unavailable(name: string): never {
  fail("INVALID_OPTION", `${name} of "thermocline/worker" is not available in this version: import "thermocline" instead, in a worker too`);
}
