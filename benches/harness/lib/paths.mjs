// The paths of the harness.
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

export const ROOT = at("../../../");
export const HARNESS = at("../");
/** Everything installed or generated here that is not committed. */
export const PEERS = at("../../.peers/");
export const PYTHON = at("../../.peers/venv/bin/python");
export const DATA = at("../../.peers/data/");
export const SCRATCH = at("../../.peers/scratch/");
export const EXPERIMENTS = at("../../.peers/records/");
export const RECORDS = at("../../records/");
export const SAMPLE = at("../../../data/wordnet/");
export const DOCUMENT = at("../../../docs/BENCHMARKS.md");
/** The plots shown in docs/BENCHMARKS.md. */
export const PLOTS = at("../../../docs/plots/");
export const DIST = at("../../../pkg/dist/");
export const PACKAGE = at("../../../pkg/");
