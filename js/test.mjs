// Runs test/**/*.test.ts with Node's test runner; esbuild removes the types, which Node 20 cannot do by itself.
//   node test.mjs [part of a file's name]

import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { allModules } from "./plugins.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = join(HERE, ".tests");
const wanted = process.argv[2] ?? "";

const tests = readdirSync(join(HERE, "test"), { recursive: true })
  .filter((name) => name.endsWith(".test.ts") && name.includes(wanted))
  .map((name) => join("test", name));
rmSync(OUT, { recursive: true, force: true });
const { metafile } = await esbuild.build({
  absWorkingDir: HERE,
  entryPoints: tests,
  outdir: OUT,
  outbase: "test",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  loader: { ".css": "empty" },
  plugins: [allModules],
  metafile: true,
  logLevel: "warning",
});
const files = Object.keys(metafile.outputs).map((name) => join(HERE, name));
const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" });
rmSync(OUT, { recursive: true, force: true });
process.exit(run.status ?? 1);
