// Python may die: out of memory, or by a fault in its engine. What it drew stays, what is typed stays, and the page starts again by
// itself; not twice within a minute, so that a fault at every start does not go round.

import * as draft from "./draft.js";
import * as lines from "./lines.js";

const ONCE = 60_000; // ms
const NAME = "crashed";

const read = () => {
  try {
    return Number(sessionStorage.getItem(NAME) ?? 0);
  } catch {
    return Date.now();
  }
};

/** Keeps the draft, then loads the page again. */
export const leave = async () => {
  await draft.settled();
  location.reload();
};

const note = (at) => {
  try {
    sessionStorage.setItem(NAME, String(at));
    return true;
  } catch {
    return false; // Nobody could tell the second crash from the first.
  }
};

/** `stopped()` is called as soon as Python is gone. */
export const watch = (stopped) => {
  const before = read();
  if (before < 0) {
    note(-before);
    lines.show("restarted");
  }
  document.addEventListener("tallystick:failed", ({ detail }) => {
    console.error("Python did not start:", detail);
    lines.show("stopped");
  }, { once: true });
  document.addEventListener("tallystick:crash", ({ detail }) => {
    console.error("Python stopped:", detail);
    stopped();
    if (Date.now() - Math.abs(before) > ONCE && note(-Date.now())) leave();
    else {
      lines.hide("restarted");
      lines.show("stopped");
    }
  }, { once: true });
};
