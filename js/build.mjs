// Bundles every view into nbmerge/widgets/static.   node build.mjs [--check | --watch]
//
// A folder src/views/NAME with an index.ts becomes NAME.js, and NAME.css where it imports a style sheet; src/studio.css
// becomes studio.css, and src/page what pages without a kernel have besides the Tracks view. THIRD-PARTY-LICENSES.txt has the licence of every package whose code is in a bundle. `--check`
// writes nothing: it fails where a committed file differs from what would be written, and where all are too big.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { allModules } from "./plugins.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const STATIC = join(HERE, "..", "nbmerge", "widgets", "static");
const LICENSES = "THIRD-PARTY-LICENSES.txt";
/** Bytes of all files together. */
const LIMIT = 700_000;

const views = readdirSync(join(HERE, "src", "views"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
/** @type {esbuild.BuildOptions} */
const options = {
  absWorkingDir: HERE,
  entryPoints: [
    ...views.map(({ name }) => ({ in: `src/views/${name}/index.ts`, out: name })),
    { in: "src/page/index.ts", out: "page" },
    { in: "src/studio.css", out: "studio" },
  ],
  outdir: STATIC,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  minify: true,
  legalComments: "none",
  metafile: true,
  write: false,
  logLevel: "warning",
  plugins: [allModules],
};

/** The licence texts of all packages in the bundles. */
function collectLicenses(metafile) {
  const folders = new Set();
  for (const output of Object.values(metafile.outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
      const found = /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input);
      if (found && bytesInOutput > 0) folders.add(found[0]);
    }
  }
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(HERE, folder, "package.json"), "utf8"));
    const file = readdirSync(join(HERE, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} ${version} (${license}) has no licence file; it cannot be bundled.`);
    const text = readFileSync(join(HERE, folder, file), "utf8").trim();
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  const head = parts.length
    ? "The scripts in this folder contain code of these packages."
    : "The scripts in this folder contain no code of other packages.";
  return [`${head}\n`, ...parts].join(`\n${"-".repeat(80)}\n\n`);
}

/** File name to content of everything that belongs into the static folder. */
function listFiles(result) {
  const files = new Map(result.outputFiles.map((file) => [basename(file.path), Buffer.from(file.contents)]));
  files.set(LICENSES, Buffer.from(collectLicenses(result.metafile)));
  return files;
}

function readCommitted(name) {
  try {
    return readFileSync(join(STATIC, name));
  } catch {
    return null;
  }
}

function write(files) {
  for (const name of readdirSync(STATIC)) if (!files.has(name)) rmSync(join(STATIC, name));
  for (const [name, content] of files)
    if (!readCommitted(name)?.equals(content)) writeFileSync(join(STATIC, name), content);
}

function check(files) {
  const stale = [...files].filter(([name, content]) => !readCommitted(name)?.equals(content)).map(([name]) => name);
  const extra = readdirSync(STATIC).filter((name) => !files.has(name));
  const differing = [...stale, ...extra];
  if (differing.length) {
    throw new Error(
      `${differing.join(", ")} in ${relative(join(HERE, ".."), STATIC)}: not what js/src gives. Run: make js`,
    );
  }
}

function report(files) {
  const sizes = [...files].map(([name, content]) => [name, content.length]);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  console.log(sizes.map(([name, size]) => `${name} ${(size / 1000).toFixed(1)} kB`).join(", "));
  if (total > LIMIT) throw new Error(`The bundles have ${total} bytes together, more than ${LIMIT}.`);
}

try {
  if (process.argv.includes("--watch")) {
    const onEnd = (result) => (result.errors.length ? undefined : write(listFiles(result)));
    const context = await esbuild.context({
      ...options,
      plugins: [allModules, { name: "write", setup: (build) => build.onEnd(onEnd) }],
    });
    await context.watch();
    console.log("Watching js/src ...");
  } else {
    const files = listFiles(await esbuild.build(options));
    if (process.argv.includes("--check")) check(files);
    else write(files);
    report(files);
  }
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
