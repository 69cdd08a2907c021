import * as thermocline from "thermocline";
import { scenario } from "./scenario.mjs";

scenario(thermocline).then(
  (seen) => (globalThis.result = seen),
  (error) => (globalThis.result = String(error.stack)),
);
