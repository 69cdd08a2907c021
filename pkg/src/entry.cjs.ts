import { load } from "./load.cjs.js";
import { loadWith } from "./module.js";
import { keepIn } from "./place.js";
import { places } from "./places.node.js";

loadWith(load);
keepIn(places);

export * from "./api.js";
