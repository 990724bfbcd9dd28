// Bundles what the page has of JavaScript and CSS. `node bundle.mjs JOB.json`; prints {entry: name of the output} as JSON.
// JOB: {web, out, hashed: {entry: "esm" | "iife" | "css"}, plain: [{entry, to}], interpreter: entry}
import { readFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const shared = {
  absWorkingDir: job.web,
  bundle: true,
  minify: true,
  charset: "utf8",
  legalComments: "none", // Their licences are in the manifest of notices that the build writes.
  logLevel: "error",
  metafile: true,
  target: ["chrome111", "firefox115", "safari16.4"],
  loader: { ".woff2": "file", ".svg": "file", ".png": "file" },
  assetNames: "[name]-[hash]",
  entryNames: "[name]-[hash]",
};
// Kept as they are: the build puts the hashed places in later.
const external = ["__PYODIDE__/*", "__PYSCRIPT__/*", "__MODULES__"];

const outputs = {};
const note = ({ metafile }) => {
  for (const [file, { entryPoint }] of Object.entries(metafile.outputs)) {
    if (entryPoint) outputs[entryPoint] = path.basename(file);
  }
};

for (const format of ["esm", "iife", "css"]) {
  const entryPoints = Object.keys(job.hashed).filter((entry) => job.hashed[entry] === format);
  if (!entryPoints.length) continue;
  note(await build({ ...shared, entryPoints, outdir: job.out, ...(format === "css" ? {} : { format }) }));
}
for (const { entry, to } of job.plain) {
  note(await build({ ...shared, entryPoints: [entry], outfile: to, entryNames: "[name]", format: "esm", external }));
}
console.log(JSON.stringify(outputs));
