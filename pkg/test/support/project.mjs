// Throw-away projects with the packed tarball installed in them, as a user would install it.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const PKG = join(dirname(fileURLToPath(import.meta.url)), "../..");
const exec = promisify(execFile);

/** Runs a command. Returns its output, or throws an error that contains it. */
export async function run(command, args, options = {}) {
  try {
    const { stdout } = await exec(command, args, { maxBuffer: 1 << 26, timeout: 120_000, ...options });
    return stdout;
  } catch (error) {
    throw new Error(`${command} ${args.join(" ")}: ${error.message}\n${error.stdout}\n${error.stderr}`);
  }
}

/** Packs the package. Returns the path of the tarball and its content. */
export async function pack() {
  const folder = await temporary("pack");
  const [packed] = JSON.parse(await run("npm", ["pack", "--json", "--loglevel=error", "--pack-destination", folder], { cwd: PKG }));
  return { tarball: join(folder, packed.filename), files: packed.files.map((file) => file.path), folder };
}

/** Creates a project outside of the repository that contains only the files of `source` and the installed tarball. */
export async function project(source, tarball, type = "module") {
  const folder = await temporary("project");
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "throw-away", private: true, type }));
  await cp(source, folder, { recursive: true });
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", tarball], { cwd: folder });
  return folder;
}

/** Returns those of these test files that store an index: they use the tests' places, or the wasm file of stores. */
export async function filesThatStore(folder, files) {
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  return files.filter((_, i) => /places\.mjs|thermocline-store\.wasm/.test(texts[i]));
}

/** Removes the files that only indexes in a store need from the package in a folder. */
export async function withoutStores(folder) {
  const dist = join(folder, "node_modules/thermocline/dist");
  const files = (await readdir(dist)).filter((name) => /^(stored|opfs|directory)\.|^thermocline-store\.wasm$/.test(name));
  if (files.length !== 7) throw new Error(`expected the scripts and the wasm file of stores, found ${files.join(", ")}`);
  for (const name of files) await rm(join(dist, name));
}

/** Returns the package's package.json. */
export async function manifest() {
  return JSON.parse(await readFile(join(PKG, "package.json"), "utf8"));
}

export function remove(folder) {
  return rm(folder, { recursive: true, force: true });
}

/** Creates a folder outside of the repository. */
export function temporary(kind) {
  return mkdtemp(join(tmpdir(), `thermocline-${kind}-`));
}
