// Before the first paint: the theme and the language that were chosen here, else those of the device; whether the list of chats is open.
import german from "../words/de.json?shell";
import { fill, mark } from "./spoken.js";

const SPOKEN = { de: german }; // English stands in the document.
const HIDDEN = ["en-XA", "ar-XB"]; // for those who work on the page: see tallystick_web/pseudo.py

const kept = (name) => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // Storage may be switched off; what the device says is then used.
  }
};

(() => {
  const chosen = kept("theme");
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.documentElement.dataset.side = kept("side") ?? "open";
})();

(() => {
  const chosen = kept("language");
  const known = (language) => language === "en" || language in SPOKEN;
  const own = (navigator.languages ?? []).map((language) => language.split("-")[0]).find(known);
  const language = known(chosen) || HIDDEN.includes(chosen) ? chosen : (own ?? "en");
  mark(language);
  const words = SPOKEN[language];
  if (!words) return;
  const say = () => fill((name) => words[name]);
  const coming = new MutationObserver(say); // With each piece that is parsed, so that no other language is ever painted.
  coming.observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", () => {
    coming.disconnect();
    say();
  });
})();

// A question that is sent before the shell's script is here would be lost, or reload the page: the shell sends it then.
(() => {
  const root = document.documentElement;
  const wait = (event) => {
    if (root.dataset.shell) return;
    event.preventDefault();
    root.dataset.early = "sent";
  };
  document.addEventListener("submit", wait);
  document.addEventListener("keydown", (event) => {
    const finger = matchMedia("(pointer: coarse)").matches; // then Enter is a new line
    if (event.target.id !== "draft" || event.key !== "Enter" || event.shiftKey || event.isComposing || finger) return;
    wait(event);
  });
})();
