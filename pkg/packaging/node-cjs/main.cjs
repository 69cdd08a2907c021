const thermocline = require("thermocline");

import("./scenario.mjs")
  .then(({ scenario }) => scenario(thermocline))
  .then((seen) => console.log(JSON.stringify(seen)));
