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
  $("theme").setAttribute("aria-label", theme === "dark" ? "Use light colours" : "Use dark colours");
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

const attach = (python) => {
  handler = python;
  for (const [name, argument] of waiting.splice(0)) handler(name, argument);
};

const copy = (text) => navigator.clipboard.writeText(text).catch(() => {});

if (api.go) say("tab", api.go);

globalThis.tallystick = { attach, api, wallets, showSheet, copy };
