// Installs what a run needs besides the package: the wasm peers (npm), the native peers (PyPI, one built from source
// here) and the native side of thermocline (cargo). Anything already installed is left alone.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HARNESS, PEERS, PYTHON, ROOT } from "./paths.mjs";

const run = (command, args, options = {}) => execFileSync(command, args, { stdio: ["ignore", 2, 2], ...options });

/** Installs the wasm peers, at the versions of package-lock.json. */
export function installWasmPeers() {
  if (existsSync(join(HARNESS, "node_modules/.package-lock.json"))) return;
  run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: HARNESS });
}

/** Time limit for installing one peer. */
const INSTALL_MS = 300_000;

/** Returns the groups of requirements.txt, from name to lines. */
export function groupsOf(text) {
  const groups = new Map();
  let lines;
  for (const line of text.split("\n").map((each) => each.trim())) {
    const name = /^# \[(\w+)\]/.exec(line)?.[1];
    if (name) groups.set(name, (lines = []));
    else if (line && !line.startsWith("#") && lines) lines.push(line);
  }
  return groups;
}

/** Installs these groups into a virtual environment. Returns those that cannot be installed, with the reason. */
export function installNativePeers(wanted) {
  const groups = groupsOf(readFileSync(join(HARNESS, "requirements.txt"), "utf8"));
  const failed = new Map();
  try {
    mkdirSync(PEERS, { recursive: true });
    if (!existsSync(PYTHON)) run("python3", ["-m", "venv", join(PEERS, "venv")]);
    // The tools come first: builds here are not isolated, so that their tools stay pinned.
    installGroup("tools", groups.get("tools"));
  } catch (error) {
    for (const name of wanted) failed.set(name, `native peers need python3 with venv, and PyPI: ${firstLine(error)}`);
    return failed;
  }
  for (const name of wanted) {
    try {
      installGroup(name, groups.get(name));
    } catch (error) {
      failed.set(name, `cannot be installed: ${firstLine(error)}`);
    }
  }
  return failed;
}

function installGroup(name, lines) {
  const stamp = join(PEERS, "venv", `${name}.installed`);
  const wanted = lines.join("\n");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  // Only the listed packages, so that no version is left to chance. hnswlib is compiled for this machine.
  const how = ["--no-deps", ...(name === "hnswlib" ? ["--no-build-isolation", "--no-binary", "hnswlib"] : [])];
  run(PYTHON, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...how, ...lines], { timeout: INSTALL_MS });
  writeFileSync(stamp, wanted);
}

const firstLine = (error) => error.message.split("\n")[0];

/** Builds the optimized native binary and returns its path. */
export function buildNative() {
  const out = execFileSync("cargo", ["bench", "--no-run", "--bench", "native", "--features", "mmap", "--message-format=json"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", 2],
    maxBuffer: 2 ** 28,
  });
  const built = out.toString().split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const path = built.findLast((message) => message.target?.name === "native" && message.executable)?.executable;
  if (!path) throw new Error("cargo built no binary for the bench `native`");
  return path;
}
