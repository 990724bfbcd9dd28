// Is there a network? The browser says so where it is certain that there is none; a host that answers all the same (on this very machine)
// is worth more than that.

import * as lines from "./lines.js";

const AGAIN = 10_000; // ms
const SITE = new URL("tallystick.json", document.baseURI);
const KEPT = "tallystick-kept"; // boot/keep.mjs marks what it answers in the host's place
let off = false;
let tell = () => {};
let timer = 0;

/** The host's own answer, or null. */
const ask = async () => {
  try {
    return await fetch(SITE, { cache: "no-store" });
  } catch {
    return null;
  }
};

const note = (answer) => {
  const now = !navigator.onLine && (!answer || answer.headers.has(KEPT));
  clearInterval(timer);
  if (now) timer = setInterval(look, AGAIN);
  if (now === off) return;
  off = now;
  (off ? lines.show : lines.hide)("offline");
  document.documentElement.toggleAttribute("data-offline", off);
  tell(off ? "offline" : "online");
};

const look = async () => note(navigator.onLine ? null : await ask());

/** What the page's host says about its chain, as text; empty where it says nothing. */
export const readSite = async () => {
  const answer = await ask();
  note(answer);
  return answer?.ok ? answer.text() : "";
};

export const offline = () => off;

/** `say("offline")` and `say("online")`, each time that it changes. */
export const watch = (say) => {
  tell = say;
  addEventListener("online", look);
  addEventListener("offline", look);
};
