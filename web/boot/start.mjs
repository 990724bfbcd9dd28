// Starts the page's Python from PyScript's `onReady` hook: as soon as there is an interpreter, before PyScript imports its
// own library of Python, which the page does not use. PyScript goes on when the page is up and has nothing to do.
import { hooks } from "__PYSCRIPT__/core.js";

const START = __START__;
const idle = () => new Promise((done) => (globalThis.requestIdleCallback ?? setTimeout)(done, { timeout: 10_000 }));

hooks.main.onReady.add(async ({ interpreter }) => {
  try {
    await interpreter.runPythonAsync(START, { filename: "start.py" });
  } catch (fault) {
    document.dispatchEvent(new CustomEvent("tallystick:failed", { detail: fault })); // js/restart.js
    throw fault;
  }
  await idle();
});
