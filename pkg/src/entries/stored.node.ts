// The script of indexes in a store, which open.ts loads.
import { keepIn } from "../stored/place.js";
import { places } from "../stored/places.node.js";

keepIn(places);

export { destroyStored, importStored, openStored } from "../stored/stored.js";
