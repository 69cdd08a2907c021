// The package as Node resolves `import "thermocline"`, by the package's own exports.
import { readFileSync } from "node:fs";

const home = new URL("../../../pkg/", import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL("package.json", home), "utf8"));

export const { VectorIndex } = await import(new URL(exports["."].node.import.default, home).href);
