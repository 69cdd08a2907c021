import * as thermocline from "thermocline";
import { scenario } from "./scenario.mjs";

console.log(JSON.stringify(await scenario(thermocline)));
