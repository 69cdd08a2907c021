// Run by the page of every throw-away project, with or without a bundler; copied into each.
import * as thermocline from "thermocline";
import * as worker from "thermocline/worker";
import { scenario } from "./scenario.mjs";

scenario(thermocline, worker).then(
  (seen) => (globalThis.result = seen),
  (error) => (globalThis.result = String(error.stack)),
);
