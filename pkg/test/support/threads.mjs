// What the tests of "thermocline/threads" have in common: a project, and scripts in it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { PKG, pack, project, remove, run } from "./project.mjs";

/** What a page needs to have a memory that threads share. */
export const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** A project with the tarball for the tests of a file. Steps in `tidy` are done when they have ended, the last first. */
export function threadsProject() {
  const tidy = [];
  const made = { folder: "", tidy };

  before(async () => {
    const packed = await pack();
    tidy.push(() => remove(packed.folder));
    made.folder = await project(join(PKG, "packaging/node-esm"), packed.tarball);
    tidy.push(() => remove(made.folder));
  });

  after(async () => {
    for (const step of tidy.reverse()) await step();
  });

  /** What a script of the project prints, as JSON. It has to end by itself. */
  made.inNode = async (name, text, ...flags) => {
    await writeFile(join(made.folder, name), text);
    return JSON.parse(await run(process.execPath, [...flags, name], { cwd: made.folder, timeout: 60_000 }));
  };
  return made;
}
