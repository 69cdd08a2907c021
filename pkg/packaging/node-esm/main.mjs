import * as thermocline from "thermocline";
import * as worker from "thermocline/worker";
import { scenario } from "./scenario.mjs";

console.log(JSON.stringify(await scenario(thermocline, worker)));
