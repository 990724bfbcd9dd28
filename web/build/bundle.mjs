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
// KaTeX brings each font in three formats; every browser of the page takes the first.
const oneFormat = {
  name: "one-format",
  setup: (made) =>
    made.onLoad({ filter: /katex\.min\.css$/ }, ({ path: file }) => ({
      contents: readFileSync(file, "utf8").replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[a-z]+"\)/g, ""),
      loader: "css",
    })),
};
// `import place from "x.css?place"`: the style sheet in a file of its own, and its name, for a script that loads it later.
const placed = {
  name: "placed",
  setup: (made) => {
    made.onResolve({ filter: /\.css\?place$/ }, ({ path: file, resolveDir }) => ({
      path: path.resolve(resolveDir, file.replace(/\?place$/, "")),
      namespace: "placed",
    }));
    made.onLoad({ filter: /.*/, namespace: "placed" }, async ({ path: file }) => {
      const { metafile } = await build({ ...shared, entryPoints: [file], outdir: job.out, plugins: [oneFormat] });
      const [name] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint);
      return { contents: `export default ${JSON.stringify(path.basename(name))}`, loader: "js" };
    });
  },
};
// `import words from "de.json?shell"`: of a language's words only those that index.html names, by their dotted names.
const shellWords = {
  name: "shell-words",
  setup: (made) => {
    made.onResolve({ filter: /\.json\?shell$/ }, ({ path: file, resolveDir }) => ({
      path: path.resolve(resolveDir, file.replace(/\?shell$/, "")),
      namespace: "shell-words",
    }));
    made.onLoad({ filter: /.*/, namespace: "shell-words" }, ({ path: file }) => {
      const table = JSON.parse(readFileSync(file, "utf8"));
      const used = [...readFileSync(path.join(job.web, "index.html"), "utf8").matchAll(/data-t="([^"]+)"/g)];
      const names = used.flatMap(([, pairs]) => pairs.split(" ").map((pair) => pair.split("=")[1]));
      const word = (name) => name.split(".").reduce((part, key) => part[key], table);
      return { contents: JSON.stringify(Object.fromEntries(names.map((name) => [name, word(name)]))), loader: "json" };
    });
  },
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
  const scripts = format === "css" ? {} : { format, splitting: format === "esm", chunkNames: "[name]-[hash]", plugins: [placed, shellWords] };
  note(await build({ ...shared, entryPoints, outdir: job.out, ...scripts }));
}
for (const { entry, to } of job.plain) {
  note(await build({ ...shared, entryPoints: [entry], outfile: to, entryNames: "[name]", format: "esm", external }));
}
console.log(JSON.stringify(outputs));
