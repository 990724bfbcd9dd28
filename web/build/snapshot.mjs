// Makes the memory snapshot. `node snapshot.mjs JOB.json`
// JOB: {pyodide, native, native_path, site, wheels: [...], prepare, imports, ours: [...], late: [...], heap, meta}
//
// Two runs give the same bytes: the clock, the random source, the hash seed and the program's own name are pinned, because each of
// them leaves its mark in memory.
import crypto from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { SETUP, preload, trampoline } from "../boot/native.mjs";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const PAGE = 4096;

const pin = () => {
  const NOW = Date.UTC(2026, 0, 1);
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      super(...(args.length ? args : [NOW]));
    }
    static now() {
      return NOW;
    }
  };
  performance.now = () => 0;
  const constant = (array) => {
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).fill(7);
    return array;
  };
  crypto.randomFillSync = constant;
  globalThis.crypto.getRandomValues = constant;
  process.env.TZ = "UTC";
  for (const name of Object.keys(process.env)) if (name !== "TZ") delete process.env[name];
};

let loaded; // how long the function table is once the native module is in it

const boot = async () => {
  const at = (name) => pathToFileURL(path.join(job.pyodide, name)).href;
  const { loadPyodide } = await import(at("pyodide.mjs"));
  const { default: create } = await import(at("pyodide.asm.mjs"));
  const library = new WebAssembly.Module(readFileSync(job.native));
  return loadPyodide({
    indexURL: job.pyodide,
    ...SETUP,
    _makeSnapshot: true,
    _sysExecutable: "/usr/bin/python",
    args: [],
    env: { PYTHONHASHSEED: "0", HOME: "/home/pyodide", LANG: "C.UTF-8" },
    createPyodideModule: async (settings) => {
      (settings.preRun ??= []).push(preload(Promise.resolve(library), job.native_path));
      const module = await create(settings);
      loaded = module.wasmTable.length;
      return module;
    },
  });
};

const fill = (python) => {
  for (const wheel of job.wheels) {
    python.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel", { extractDir: job.site });
  }
  // 400 kB of names of chains, which nothing here asks for.
  python.FS.writeFile(`${job.site}/eth_utils/__json/eth_networks.json`, "[]");
  python.runPython("import importlib; importlib.invalidate_caches()");
  for (const file of [job.prepare, job.imports]) {
    const names = python.toPy({ __name__: "__snapshot__", OURS: job.ours, LATE: job.late });
    python.runPython(readFileSync(file, "utf8"), { globals: names, filename: path.basename(file) });
    names.destroy();
  }
  return python.runPython("import sys, json; json.dumps(sorted(sys.modules))");
};

/** The pages that are not zero, and the runs [first page, count, …] in which they lie. */
const squeeze = (heap) => {
  const runs = [];
  const kept = [];
  const words = new BigUint64Array(heap.buffer, heap.byteOffset, heap.byteLength / 8);
  for (let page = 0; page * PAGE < heap.length; page++) {
    const first = (page * PAGE) / 8;
    if (words.subarray(first, first + PAGE / 8).every((word) => word === 0n)) continue;
    kept.push(heap.subarray(page * PAGE, (page + 1) * PAGE));
    if (runs.length && runs.at(-2) + runs.at(-1) === page) runs[runs.length - 1] += 1;
    else runs.push(page, 1);
  }
  return { runs, pages: Buffer.concat(kept) };
};

const make = async () => {
  pin();
  const python = await boot();
  const modules = JSON.parse(fill(python));
  const table = python._module.wasmTable.length;
  if (table !== loaded) throw new Error(`the function table grew from ${loaded} to ${table}: the page's would not be the same`);
  const snapshot = python.makeMemorySnapshot();
  const start = new Uint32Array(snapshot.buffer, 0, 2)[1];
  const heap = snapshot.slice(start);
  new Int32Array(heap.buffer)[trampoline(python._module)] = 0; // The page puts its own engine's there.
  const { runs, pages } = squeeze(heap);
  writeFileSync(job.heap, pages);
  writeFileSync(
    job.meta,
    JSON.stringify({ header: Buffer.from(snapshot.subarray(0, start)).toString("base64"), bytes: heap.length, runs, table, modules }),
  );
};

try {
  await make();
} catch (fault) {
  console.error(fault.message); // A Python traceback; node itself would print the line of minified code it came through.
  process.exit(1);
}
