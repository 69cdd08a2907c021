const thermocline = require("thermocline");
const worker = require("thermocline/worker");

import("./scenario.mjs")
  .then(({ scenario }) => scenario(thermocline, worker))
  .then((seen) => console.log(JSON.stringify(seen)));
