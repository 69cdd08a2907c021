// What a run needs beside the package: the wasm peers (npm), the native peer (PyPI, built from its source here) and the
// native side of thermocline (cargo). What is there already is left alone.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HARNESS, PEERS, PYTHON, ROOT } from "./paths.mjs";

const run = (command, args, options = {}) => execFileSync(command, args, { stdio: ["ignore", 2, 2], ...options });

/** The wasm peers, at the versions of package-lock.json. */
export function installWasmPeers() {
  if (existsSync(join(HARNESS, "node_modules/.package-lock.json"))) return;
  run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: HARNESS });
}

/** True when the native peer can run: a virtual environment with hnswlib compiled for this machine. Says why not. */
export function installNativePeer() {
  const wanted = readFileSync(join(HARNESS, "requirements.txt"), "utf8");
  const stamp = join(PEERS, "venv/installed.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return true;
  try {
    mkdirSync(PEERS, { recursive: true });
    run("python3", ["-m", "venv", join(PEERS, "venv")]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation"];
    const lines = wanted.split("\n").filter((line) => line && !line.startsWith("#"));
    // What builds it comes first, since its build is not isolated: that is how the compiler and its tools stay pinned.
    run(PYTHON, [...pip, ...lines.filter((line) => !line.startsWith("hnswlib"))]);
    run(PYTHON, [...pip, "--no-binary", "hnswlib", ...lines.filter((line) => line.startsWith("hnswlib"))]);
    writeFileSync(stamp, wanted);
    return true;
  } catch (error) {
    console.error("the native peer cannot be installed (it needs python3 with venv, a C++ compiler and PyPI), so there are no ratios to it");
    console.error(error.message);
    return false;
  }
}

/** The path of the native binary, built optimized. */
export function buildNative() {
  const out = execFileSync("cargo", ["bench", "--no-run", "--bench", "native", "--message-format=json"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", 2],
    maxBuffer: 2 ** 28,
  });
  const built = out.toString().split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const path = built.findLast((message) => message.target?.name === "native" && message.executable)?.executable;
  if (!path) throw new Error("cargo built no binary for the bench `native`");
  return path;
}
