// A native module (msgspec's .so) in a memory snapshot.
//
// A snapshot holds the linear memory and nothing else: not the function table, to which loading a .so appends, and not
// JavaScript's list of loaded libraries. So the build and the page load it alike: in `preRun`, before the C runtime has
// started. There the linker takes memory from the end of the static data, the same every time; what the snapshot remembers
// of the library is then true in the page as well. Python's `import` finds the library loaded.
//
// The table must begin at the same place too, and engines differ: one that has WebAssembly's garbage collection gets a
// trampoline from Python, which takes a slot before ours. Hence a fixed place, and the trampoline is each engine's own.

const TABLE = 16384; // above all that Pyodide 314 puts in the table itself

/** An Emscripten `preRun` step. `library`: promise of a WebAssembly.Module; `path`: where Python will look for it. */
export const preload = (library, path) => (module) => {
  module.addRunDependency("native");
  library.then((compiled) => {
    module.wasmTable.grow(TABLE - module.wasmTable.length);
    const exports = module.loadWebAssemblyModule(compiled, { nodelete: true, allowUndefined: false }, path, {});
    module.newDSO(path, undefined, exports).global = false;
    module.removeRunDependency("native");
  });
};

/** Where in HEAP32 the pointer to the engine's trampoline lies (0: Python calls through JavaScript). */
export const trampoline = (module) =>
  (module.__PyRuntime + module.HEAP32[module.__PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET >>> 2]) >>> 2;

/** How Pyodide is set up wherever it runs for us: in the build, in the page, in the tests. */
export const SETUP = {
  // Ours instead of Pyodide's package index, which names packages on a server of others.
  lockFileContents: {
    info: { arch: "wasm32", platform: "emscripten_5_0_3", version: "0", python: "3.14.2", abi_version: "2026_0" },
    packages: {},
  },
  convertNullToNone: true, // JavaScript's null is None, as its undefined is.
};
