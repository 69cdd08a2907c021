// The command line of the demo.

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

export const USAGE = `usage: node demo.mjs [options]
  --once                print the run and exit; without it the page is served afterwards
  --port N              port of the page (default 4173; the next free one when taken)
  --categories A,B      lexnames to delete (default noun.animal,noun.plant,noun.person)
  --quantization Q      int8 (default) or none
  --slice-ms N          longest slice of the compaction in milliseconds (default 4)
  --keep DIR            where the index is kept, and found by the next run (default .kept beside this page)
  --help                this text`;

/** Parsed and checked options; throws an Error that says what is wrong. */
export function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      once: { type: "boolean", default: false },
      port: { type: "string", default: "4173" },
      categories: { type: "string", default: "noun.animal,noun.plant,noun.person" },
      quantization: { type: "string", default: "int8" },
      "slice-ms": { type: "string", default: "4" },
      keep: { type: "string", default: fileURLToPath(new URL("../.kept", import.meta.url)) },
      help: { type: "boolean", default: false },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`--port: expected 0 to 65535, got ${values.port}`);
  const sliceMs = Number(values["slice-ms"]);
  if (!(sliceMs > 0)) throw new Error(`--slice-ms: expected a positive number, got ${values["slice-ms"]}`);
  const categories = values.categories.split(",").map((name) => name.trim()).filter(Boolean);
  if (categories.length === 0) throw new Error("--categories: expected at least one lexname");
  const { once, help, quantization, keep } = values;
  return { once, help, quantization, keep, port, sliceMs, categories };
}
