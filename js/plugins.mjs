// `import modules from "all:./rows"`: the default exports of all modules in a folder, by file name. A new file is included
// without any other edit.

import { readdirSync } from "node:fs";
import { join } from "node:path";

/** @type {import("esbuild").Plugin} */
export const allModules = {
  name: "all-modules",
  setup(build) {
    build.onResolve({ filter: /^all:/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.slice("all:".length)),
      namespace: "all-modules",
    }));
    build.onLoad({ filter: /.*/, namespace: "all-modules" }, ({ path }) => {
      const files = readdirSync(path)
        .filter((name) => name.endsWith(".ts"))
        .sort();
      const imports = files.map((name, i) => `import module${i} from ${JSON.stringify(`./${name}`)};`);
      const list = files.map((_, i) => `module${i}`).join(", ");
      return { contents: `${imports.join("\n")}\nexport default [${list}];`, resolveDir: path, watchDirs: [path] };
    });
  },
};
