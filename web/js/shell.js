// What works before Python is there: typing, queueing a question, choosing the theme, finding wallets.
// Python attaches once, by `tallystick.attach(handler)`; until then clicks and questions wait here.

import { desk } from "./desk.js";
import * as drafts from "./draft.js";
import * as lines from "./lines.js";
import * as locks from "./locks.js";
import * as network from "./network.js";
import { progress } from "./progress.js";
import * as restart from "./restart.js";
import * as seen from "./seen.js";
import { fill, mark, names } from "./spoken.js";
import * as tabs from "./tabs.js";
import * as vault from "./vault.js";
import { versions } from "./versions.js";
import * as wallets from "./wallets.js";

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const draft = $("draft");
const thread = $("thread");
let handler = null;
const waiting = []; // [name, argument] in the order in which they happened

const say = (name, argument = "") => {
  if (handler) handler(name, argument);
  else waiting.push([name, argument]);
};

// Theme
const device = matchMedia("(prefers-color-scheme: dark)");
const paintTheme = () => {
  document.querySelector('meta[name="theme-color"]').content = getComputedStyle(root).getPropertyValue("--paper").trim();
  const { light, dark } = $("theme").dataset;
  $("theme").setAttribute("aria-label", root.dataset.theme === "dark" ? light : dark);
};
const kept = (name) => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
};
const keep = (name, value) => {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
  } catch {
    // It holds as long as the page, then.
  }
};
/** "light", "dark", or "device": whatever that has. */
const colours = (chosen) => {
  keep("theme", chosen === "device" ? "" : chosen);
  root.dataset.theme = chosen === "device" ? (device.matches ? "dark" : "light") : chosen;
  paintTheme();
  if (handler) handler("colours", chosen);
};
$("theme").addEventListener("click", () => colours(root.dataset.theme === "dark" ? "light" : "dark"));
device.addEventListener("change", () => {
  if (!kept("theme")) colours("device");
});
paintTheme();

/** The shell's own words, from Python: it knows those of every language. `words` is JSON, by the names of `names()`. */
const speak = (language, words) => {
  const table = JSON.parse(words);
  const status = $("status").textContent; // Python's
  mark(language);
  fill((name) => table[name]);
  $("status").textContent = status;
  paintTheme();
};

// Composer
const fit = () => {
  if (CSS.supports("field-sizing", "content")) return;
  draft.style.height = "auto";
  draft.style.height = `${draft.scrollHeight}px`;
};

const showWaiting = (text) => {
  const message = document.createElement("article");
  const said = document.createElement("div");
  const state = document.createElement("div");
  message.className = "message user";
  message.dataset.state = "waiting";
  said.className = "said";
  said.dir = "auto";
  said.textContent = text;
  state.className = "state";
  state.textContent = $("queued").dataset.waiting;
  message.append(said, state);
  $("queued").append(message);
};

const running = () => $("composer").hasAttribute("data-running");

const ask = () => {
  const text = draft.value.trim();
  if (!text) return;
  if (!handler) showWaiting(text);
  drafts.sent(text);
  draft.value = "";
  drafts.keep("");
  say("ask", text); // Whatever becomes of it, the text is kept once, and no more than once.
  fit();
  toEnd();
};

draft.addEventListener("input", () => {
  drafts.keep(draft.value);
  fit();
});
vault.watch((names) => handler && names.some((name) => name.startsWith("chat/")) && drafts.kept());
drafts.open().then((text) => {
  if (!text || draft.value.includes(text)) return;
  draft.value = [text, draft.value].filter(Boolean).join("\n\n");
  draft.dispatchEvent(new Event("input"));
});
draft.addEventListener("keydown", (event) => {
  // By pointer kind, not by user agent: with a finger, Enter is a new line.
  const finger = matchMedia("(pointer: coarse)").matches;
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || finger) return;
  event.preventDefault();
  if (!running()) ask();
});
$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running()) say("stop");
  else ask();
});

// Delegated clicks and inputs: views only name what they do
document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-do]");
  if (!target || target.disabled || target.getAttribute("aria-disabled") === "true") return;
  if (!handler) target.setAttribute("aria-busy", "true");
  say(target.dataset.do, target.dataset.arg ?? "");
});
document.addEventListener("input", (event) => {
  const name = event.target.dataset?.input;
  if (name) say(`input:${name}`, event.target.value);
});
document.addEventListener("change", (event) => {
  const name = event.target.dataset?.change; // Numbers: while they are typed they are none yet.
  if (name) say(`input:${name}`, event.target.value);
});

const sheet = $("sheet");
sheet.addEventListener("cancel", (event) => {
  event.preventDefault();
  say("close-sheet");
});
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) say("close-sheet");
});
seen.watch(sheet, say);
sheet.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  say(form.dataset.submit ?? "close-sheet", form.elements.namedItem("value")?.value ?? "");
  if (form.dataset.submit === "keep-preset") form.reset();
});

// The end of the conversation stays in sight unless the person scrolled away from it
let stuck = true;
const toEnd = () => {
  stuck = true;
  thread.scrollTop = thread.scrollHeight;
};
thread.addEventListener("scroll", () => {
  stuck = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 48;
}, { passive: true });
new ResizeObserver(() => {
  if (stuck && document.querySelector(".messages > .message")) thread.scrollTop = thread.scrollHeight;
}).observe($("column"));

// What the page's server says about its chain; the demo's page also brings a wallet of its own
const site = network.readSite().then(async (text) => {
  let demo = null;
  try {
    demo = text ? JSON.parse(text).demo : null;
  } catch {
    return "";
  }
  if (demo) {
    const url = new URL("demo/wallet.js", document.baseURI).href;
    await import(url).then((module) => module.announce(JSON.parse(text))).catch((fault) => console.error("demo wallet:", fault));
  }
  return text;
});

const attach = (python) => {
  handler = python;
  $("queued").replaceChildren();
  for (const [name, argument] of waiting.splice(0)) handler(name, argument);
  if (draft.value) handler("input:draft", draft.value);
  handler("colours", kept("theme") ?? "device");
};

network.watch((name) => say(name));
progress(root, $("status"));
restart.watch(() => {
  handler = null;
});
const newVersion = versions(restart.leave);
const afterAnswer = (button) => {
  if (!running()) return newVersion();
  button.disabled = true;
  new MutationObserver((_, watch) => running() || (watch.disconnect(), newVersion())).observe($("composer"), { attributes: true });
};
lines.listen({ update: afterAnswer, restart: restart.leave });

const settings = { colours, language: (name) => keep("language", name) };
const around = desk({ settings, say, ready: () => handler !== null, running, ask, thread, draft });

const refill = (text) => {
  if (!draft.value) draft.value = text;
  draft.dispatchEvent(new Event("input"));
};

globalThis.tallystick = { attach, names: () => JSON.stringify(names()), speak, wallets, vault, locks, tabs, site, offline: network.offline, leave: restart.leave, toEnd, refill, ...around };

// What was sent before this script was here (early.js)
document.documentElement.dataset.shell = "here";
if (document.documentElement.dataset.early) {
  delete document.documentElement.dataset.early;
  ask();
}
