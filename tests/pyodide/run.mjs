// Runs a module of ours inside Pyodide, in node: its `run(args)` gives the text that goes to `results`. `node run.mjs JOB.json`,
// JOB: {pyodide, modules, wheels: [...], site, prepare, root, module, args, results}. The tests' module runs pytest there.
// The interpreter, the wheels and the JavaScript are those of the page; node only takes the browser's place.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { SETUP } from "../../web/boot/native.mjs";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const load = (file) => import(pathToFileURL(file).href);

const boot = async () => {
  const { loadPyodide } = await load(path.join(job.pyodide, "pyodide.mjs"));
  const python = await loadPyodide({ ...SETUP, indexURL: job.pyodide, env: { PYTHONDONTWRITEBYTECODE: "1", HOME: "/home/pyodide" } });
  for (const wheel of job.wheels) {
    python.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel", { extractDir: job.site });
  }
  python.registerJsModule("tallystick_js", { ...(await load(job.modules)) });
  python.runPython("import importlib; importlib.invalidate_caches()");
  python.runPython(readFileSync(job.prepare, "utf8"));
  return python;
};

const run = (python) => {
  python.FS.mkdirTree("/repo");
  python.FS.mount(python.FS.filesystems.NODEFS, { root: job.root }, "/repo");
  python.FS.chdir("/repo");
  python.runPython("import sys; sys.path.insert(0, '/repo')");
  return python.pyimport(job.module).run(python.toPy(job.args));
};

try {
  writeFileSync(job.results, run(await boot()));
} catch (fault) {
  console.error(fault.message); // A Python traceback; node itself would print the line of minified code it came through.
  process.exit(1);
}
