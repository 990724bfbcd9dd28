// PyScript's `interpreter`: Pyodide, restored from a memory snapshot in which our Python is imported already.
//
// The work starts when this module is first run, before PyScript asks for it. Without a snapshot (it could not be fetched, or does
// not fit this engine, or the address says ?boot=plain) Pyodide starts plainly and micropip installs the same wheels.

import { loadPyodide as load, version } from "__PYODIDE__/pyodide.mjs";
import { SETUP, preload, trampoline } from "./native.mjs";

export { version };

// Pyodide would run Python on stacks of its own (WebAssembly's stack switching), so that Python may wait in the middle of a function.
// Ours never does. Chromium 156 crashes on them: in a share of all processes it notes now and then who allocates memory, and the walk
// over the stack looks beyond the end of such a one for the next frame (docs/decisions/0025). Pyodide looks for these names when its
// engine is loaded, further down.
delete WebAssembly.Suspending;
delete WebAssembly.promising;

const ASSETS = __ASSETS__; // filled in by web/build: {build, pyodide, heap: {url, bytes, runs}, header, native, …}
// Read by the bench and by whoever wonders where the time goes: performance.getEntriesByType("mark").
const mark = (name) => performance.mark(`boot:${name}`);
mark("shim");
const at = (path) => new URL(path, import.meta.url).href;
const get = async (path, options) => {
  const answer = await fetch(at(path), options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
};
const bytes = async (path, options) => new Uint8Array(await (await get(path, options)).arrayBuffer());
// What the shell shows, or does: js/progress.js, js/restart.js.
const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`tallystick:${name}`, { detail }));

// How far the start is: what is whole, by the browser's list of what was loaded, and how much of the heap, by far the largest file.
const sizes = new Map(ASSETS.sizes.map(([path, size]) => [at(path), size]));
const all = [...sizes.values()].reduce((sum, size) => sum + size, 0);
let have = 0;
const whole = new PerformanceObserver((list) => {
  for (const { name } of list.getEntries()) {
    have += sizes.get(name) ?? 0;
    sizes.delete(name);
  }
  tell("progress", { have, all });
});
whole.observe({ type: "resource", buffered: true });

/** Like `bytes`, told of while it comes. What a service worker has at hand comes at once. */
const counted = async (path, size) => {
  const answer = await get(path);
  if (navigator.serviceWorker?.controller) return new Uint8Array(await answer.arrayBuffer());
  sizes.delete(at(path));
  const data = new Uint8Array(size);
  const reader = answer.body.getReader();
  let filled = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    data.set(part.value, filled);
    filled += part.value.length;
    have += part.value.length;
    tell("progress", { have, all });
  }
  if (filled !== size) throw new Error(`${path}: ${filled} bytes of ${size}`);
  return data;
};

// What Python prints goes to whom PyScript names, once it has.
const sinks = { stdout: console.log, stderr: console.error };
const options = {
  ...SETUP,
  indexURL: at(ASSETS.pyodide),
  stdout: (text) => sinks.stdout(text),
  stderr: (text) => sinks.stderr(text),
};

// The file has only the pages that are not zero, one after another; `runs` says where they go: [first page, count, …].
const PAGE = 4096;
const spread = (heap, pages, runs) => {
  let from = 0;
  for (let i = 0; i < runs.length; i += 2) {
    const size = runs[i + 1] * PAGE;
    heap.set(pages.subarray(from, from + size), runs[i] * PAGE);
    from += size;
  }
};

const decode = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

// Pyodide fetches its engine at once, but compiles it only when everything else is there. This compiles it while it comes.
const compileEarly = () => {
  const { fetch } = globalThis;
  const { instantiateStreaming } = WebAssembly;
  globalThis.fetch = (url, options) => {
    const answer = fetch(url, options);
    if (!String(url).endsWith("pyodide.asm.wasm")) return answer;
    globalThis.fetch = fetch;
    const compiled = WebAssembly.compileStreaming(answer);
    compiled.catch(() => {}); // Thrown below, where it is awaited.
    WebAssembly.instantiateStreaming = async (_, imports) => {
      WebAssembly.instantiateStreaming = instantiateStreaming;
      const module = await compiled;
      return { module, instance: await WebAssembly.instantiate(module, imports) };
    };
    return answer;
  };
};

const restored = async () => {
  const pages = counted(ASSETS.heap.url, ASSETS.heap.size);
  const native = get(ASSETS.native.url).then((answer) => WebAssembly.compileStreaming(answer));
  const failed = new Promise((_, fail) => native.catch(fail)); // else the module would wait for it for ever
  const create = import("__PYODIDE__/pyodide.asm.mjs");
  pages.catch(() => {}); // A failure is thrown below, where it is awaited.
  compileEarly();
  return load({
    ...options,
    stdLibURL: at(ASSETS.empty),
    _loadSnapshot: decode(ASSETS.header), // Its heap part is left out: `spread` writes the heap, without a second copy of it.
    createPyodideModule: async (settings) => {
      (settings.preRun ??= []).push(preload(native, ASSETS.native.path));
      const instantiate = (await create).default;
      mark("engine");
      const module = await Promise.race([instantiate(settings), failed]);
      mark("wasm");
      if (module.wasmTable.length !== ASSETS.table) throw new Error(`table of ${module.wasmTable.length} functions`);
      const data = await pages;
      mark("heap");
      if (module.HEAP8.length < ASSETS.heap.bytes) module.growMemory(ASSETS.heap.bytes);
      const word = trampoline(module);
      const own = module.HEAP32[word];
      spread(module.HEAP8, data, ASSETS.heap.runs);
      module.HEAP32[word] = own;
      mark("spread");
      return module;
    },
  });
};

const install = async (python, wheels) => {
  const micropip = python.pyimport("micropip");
  try {
    for (const { url, integrity } of wheels) {
      const data = await bytes(url, { integrity });
      const path = `/tmp/${url.split("/").pop()}`;
      python.FS.writeFile(path, data);
      await micropip.install.callKwargs(`emfs:${path}`, { deps: false });
      python.FS.unlink(path);
    }
  } finally {
    micropip.destroy();
  }
};

const plain = async () => {
  const python = await load(options);
  python.unpackArchive(await bytes(ASSETS.micropip.url, { integrity: ASSETS.micropip.integrity }), "wheel", {
    extractDir: ASSETS.site,
  });
  await install(python, ASSETS.wheels);
  python.runPython(ASSETS.prepare);
  return python;
};

// A snapshot has no files: whoever needs Python's whole library, or package metadata, calls this once.
const library = (python) => async () => {
  const [stdlib, ...wheels] = await Promise.all([
    bytes(`${ASSETS.pyodide}python_stdlib.zip`),
    ...ASSETS.wheels.map(({ url, integrity }) => bytes(url, { integrity })),
  ]);
  python.FS.writeFile("/lib/python314.zip", stdlib);
  python.runPython("import zipimport, sys, importlib; sys.path_importer_cache.clear(); importlib.invalidate_caches()");
  for (const wheel of wheels) python.unpackArchive(wheel, "wheel", { extractDir: ASSETS.site });
  python.runPython("import importlib; importlib.invalidate_caches()");
};

// Python may die: Pyodide notices most of it, and whatever it does not notice throws where a call should have been answered.
const watch = (python) => {
  python._api.on_fatal = (fault) => tell("crash", fault);
  const look = () => {
    try {
      if (python.runPython("2") === 2) return;
    } catch {
      // Told below.
    }
    for (const name of ["error", "unhandledrejection"]) removeEventListener(name, look);
    tell("crash", "it does not answer any more");
  };
  for (const name of ["error", "unhandledrejection"]) addEventListener(name, look);
};

const start = async () => {
  const modules = import("__MODULES__");
  modules.catch(() => {});
  const wanted = new URL(location.href).searchParams.get("boot");
  let python, how;
  try {
    if (wanted === "plain") throw new Error("asked for by the address");
    [python, how] = [await restored(), "snapshot"];
  } catch (reason) {
    if (wanted !== "plain") console.warn("Starting without the snapshot:", reason);
    [python, how] = [await plain(), "plain"];
  }
  mark(how);
  watch(python);
  python.registerJsModule("tallystick_js", { ...(await modules), build: ASSETS.build, boot: how, library: library(python) });
  mark("modules");
  return python;
};

const python = start();
python.catch((fault) => tell("failed", fault)); // Thrown to PyScript, too, by loadPyodide.

export const loadPyodide = async ({ stdout, stderr } = {}) => {
  if (stdout) sinks.stdout = stdout;
  if (stderr) sinks.stderr = stderr;
  mark("asked");
  return python;
};
