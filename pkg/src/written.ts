// Stores of callers that are open for writing, by whichever entry of the package. Two objects for one place are the caller's to keep apart.
import type { Store } from "./store.js";

export const written = /* @__PURE__ */ new WeakSet<Store>();
