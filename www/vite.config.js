import { fileURLToPath } from "node:url";

// The page's data and the linked package live beside this folder, so the dev server may read one level up.
export default {
  base: "./",
  server: { fs: { allow: [fileURLToPath(new URL("..", import.meta.url))] } },
  build: {
    target: "es2022",
    // The data files are fetched as they are; inlining any of them would only make the script larger.
    assetsInlineLimit: 0,
  },
};
