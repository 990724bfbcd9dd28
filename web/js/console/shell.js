// What the console has of JavaScript besides Python's own: its theme, clicks and typing by name, and the way to the node (api.js).
// Python attaches once, by `tallystick.attach(handler)`; until then clicks wait here.

import * as wallets from "../wallets.js";
import * as api from "./api.js";

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
let handler = null;
const waiting = [];

const say = (name, argument = "") => {
  if (handler) handler(name, argument);
  else waiting.push([name, argument]);
};

// Theme
let chosen = null;
try {
  chosen = localStorage.getItem("theme");
} catch {
  // The device's, then.
}
const paint = (theme) => {
  root.dataset.theme = theme;
  document.querySelector('meta[name="theme-color"]').content = getComputedStyle(root).getPropertyValue("--paper").trim();
};
paint(chosen ?? (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => chosen || paint(dark.matches ? "dark" : "light"));
$("theme").addEventListener("click", () => {
  chosen = root.dataset.theme === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("theme", chosen);
  } catch {
    // Not kept, then.
  }
  paint(chosen);
});

// Clicks, typing, choosing, forms: views only name what they do
document.addEventListener("click", ({ target }) => {
  const held = target.closest("[data-do]");
  if (!held || held.disabled || held.getAttribute("aria-disabled") === "true") return;
  say(held.dataset.do, held.dataset.arg ?? "");
});
for (const [kind, name] of [["input", "input"], ["change", "change"]]) {
  document.addEventListener(kind, ({ target }) => {
    const wanted = target.dataset?.[name];
    if (wanted) say(`input:${wanted}`, target.type === "checkbox" ? String(target.checked) : target.value);
  });
}
document.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  say(form.dataset.submit ?? "close-sheet", JSON.stringify(Object.fromEntries(new FormData(form))));
});

// One dialog at a time
const sheet = $("sheet");
sheet.addEventListener("cancel", (event) => {
  event.preventDefault();
  say("close-sheet");
});
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) say("close-sheet");
});
const showSheet = (open) => {
  if (open && !sheet.open) sheet.showModal();
  else if (!open && sheet.open) sheet.close();
};

// Tabs in a row, on a phone: the open one is in sight, and an end that hides more of them fades
const tabs = $("tabs");
const fade = () => {
  const before = Math.abs(tabs.scrollLeft);
  const after = tabs.scrollWidth - tabs.clientWidth - before;
  tabs.dataset.more = [before > 1 && "before", after > 1 && "after"].filter(Boolean).join(" ");
};
const reveal = () => {
  const open = tabs.querySelector("[aria-current]");
  const [row, one] = [tabs.getBoundingClientRect(), open?.getBoundingClientRect()];
  if (one) tabs.scrollLeft += one.left + one.width / 2 - row.left - row.width / 2;
  fade();
};
tabs.addEventListener("scroll", fade, { passive: true });
new ResizeObserver(reveal).observe(tabs);
new MutationObserver(reveal).observe(tabs, { attributeFilter: ["aria-current"], childList: true, subtree: true });

const attach = (python) => {
  handler = python;
  for (const [name, argument] of waiting.splice(0)) handler(name, argument);
};

const copy = (text) => navigator.clipboard.writeText(text).catch(() => {});

if (api.go) say("tab", api.go);

globalThis.tallystick = { attach, api, wallets, showSheet, copy };
