// Throw-away projects with the packed tarball installed in them, as a user would install it.
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const PKG = join(dirname(fileURLToPath(import.meta.url)), "../..");
const exec = promisify(execFile);

/** Runs a command; its output, or an error that shows it. */
export async function run(command, args, options = {}) {
  try {
    const { stdout } = await exec(command, args, { maxBuffer: 1 << 26, timeout: 120_000, ...options });
    return stdout;
  } catch (error) {
    throw new Error(`${command} ${args.join(" ")}: ${error.message}\n${error.stdout}\n${error.stderr}`);
  }
}

/** Packs the package; the path of the tarball and what is in it. */
export async function pack() {
  const folder = await temporary("pack");
  const [packed] = JSON.parse(await run("npm", ["pack", "--json", "--loglevel=error", "--pack-destination", folder], { cwd: PKG }));
  return { tarball: join(folder, packed.filename), files: packed.files.map((file) => file.path), folder };
}

/** A new project outside of the repository, with `source`'s files in it and the tarball installed; nothing else. */
export async function project(source, tarball, type = "module") {
  const folder = await temporary("project");
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "throw-away", private: true, type }));
  await cp(source, folder, { recursive: true });
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", tarball], { cwd: folder });
  return folder;
}

/** Of these files of tests in a folder those that keep an index somewhere: they use the tests' places, or the wasm file of stores. */
export async function filesThatStore(folder, files) {
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  return files.filter((_, i) => /places\.mjs|thermocline-store\.wasm/.test(texts[i]));
}

/** Takes away what only indexes in a store need of the package in a folder. */
export async function withoutStores(folder) {
  const dist = join(folder, "node_modules/thermocline/dist");
  const files = (await readdir(dist)).filter((name) => /^(stored|opfs|directory)\.|^thermocline-store\.wasm$/.test(name));
  if (files.length !== 7) throw new Error(`expected the scripts and the wasm file of stores, found ${files.join(", ")}`);
  for (const name of files) await rm(join(dist, name));
}

/** The package.json of the package. */
export async function manifest() {
  return JSON.parse(await readFile(join(PKG, "package.json"), "utf8"));
}

export function remove(folder) {
  return rm(folder, { recursive: true, force: true });
}

/** A new folder outside of the repository. */
export function temporary(kind) {
  return mkdtemp(join(tmpdir(), `thermocline-${kind}-`));
}
