// The scripts of "thermocline/threads" are those of "thermocline", but for the files that src/threads has under the same name.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** Resolves what a file in `src` imports to the file of that name in this folder of it, if there is one. Files in the folder itself name whom they mean. */
export function insteadOf(src, folder) {
  return {
    name: folder,
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\.\/[\w.-]+\.js$/ }, ({ path, importer, kind }) => {
        const other = join(src, folder, path.replace(/js$/, "ts"));
        return kind !== "dynamic-import" && dirname(importer) === src && existsSync(other) ? { path: other } : undefined;
      }),
  };
}
