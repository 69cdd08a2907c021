// The scripts of "thermocline/threads" are built from the files of "thermocline", except those that src/threads
// replaces by a file of the same name.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Returns an esbuild plugin that resolves imports in files of `src` to the file of the same name in `folder`, if there
 * is one. Imports in `folder` itself are not changed.
 */
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
