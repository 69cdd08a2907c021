// The scripts of "thermocline/threads" are made of the files of "thermocline", except those that src/threads has under
// the same name.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * An esbuild plugin: an import in a file of `src` is resolved to the file of that name in `folder`, if there is one.
 * Files in `folder` itself import what they name.
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
