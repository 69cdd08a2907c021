// The contract, for the directory and for a user's own store.
import { after } from "node:test";
import { nodeStores } from "./bundle.mjs";
import { contract } from "./contract.mjs";
import { MapStore } from "./map-store.mjs";

const { openDirectory, folder, tidy } = await nodeStores();
after(tidy);

contract("directory", { place: folder, open: (path, mode) => openDirectory(path, { mode }) });
contract("directory, strict", { place: folder, open: (path, mode) => openDirectory(path, { mode, durability: "strict" }) });
contract("a user's own", { place: () => new Map(), open: async (map) => new MapStore(map), locks: false });
