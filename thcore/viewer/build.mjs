// Builds the viewer's script and style, and collects the licences of what is in them: node build.mjs [DIRECTORY].

import { readFile, writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const target = process.argv[2] ?? "../src/thcore/pages/static";
const options = { bundle: true, minify: true, write: false, metafile: true, legalComments: "none", charset: "ascii" };
const script = await build({ ...options, entryPoints: ["src/main.ts"], format: "iife", target: ["chrome111", "firefox114", "safari16.4"] });
const style = await build({ ...options, entryPoints: ["src/viewer.css"] });

const packages = new Set();
for (const input of Object.keys(script.metafile.inputs)) {
  const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
  if (name) packages.add(name);
}
const licences = [];
const named = [];
for (const name of [...packages].sort()) {
  const { version, license } = JSON.parse(await readFile(join("node_modules", name, "package.json"), "utf8"));
  if (license !== "MIT") throw new Error(`${name} has the licence ${license}: look at it before it is shipped`);
  const text = (await readFile(join("node_modules", name, "LICENSE"), "utf8")).trim();
  licences.push(`${name} ${version}\n\n${text}\n`);
  named.push(`${name} ${version}`);
}

await mkdir(target, { recursive: true });
const banner = `/*! thcore's log viewer, with ${named.join(", ")} (MIT License; the texts are at the end of the page) */\n`;
await writeFile(join(target, "viewer.js"), banner + script.outputFiles[0].text);
await writeFile(join(target, "viewer.css"), style.outputFiles[0].text);
await writeFile(join(target, "viewer.licenses.txt"), `What is bundled in viewer.js beside thcore's own code.\n\n${licences.join(`\n${"-".repeat(72)}\n\n`)}`);
