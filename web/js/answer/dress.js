// What a rendered answer gets beside its text: headers and colours for code, mathematics, pictures on request, visible marks.
import { Budget } from "./budget.js";
import { coloured, render } from "./clean.js";

const WORDS = { copy: "Copy", copied: "Copied", picture: "Picture", show: "Show", failed: "It cannot be shown here.", code: "Code", table: "Table" };
/** The words of the page's language, as JSON. */
export const speak = (words) => Object.assign(WORDS, JSON.parse(words));

const make = (tag, className, ...children) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
};

const button = (className, label, act) => {
  const made = make("button", className, label);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
};

// Signs that turn the direction of what follows make text read other than it is: they are shown instead.
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;
const visible = (text) => text.replace(TURNS, (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase()}⟩`);
const showTurns = (element) => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { data } = walker.currentNode;
    if (TURNS.test(data)) walker.currentNode.data = visible(data);
    TURNS.lastIndex = 0;
  }
};

// -- code

const MOST_COLOURED = 20_000;
const MOST_KEPT = 300;
const kept = new Map(); // language and text -> TrustedHTML, of blocks that were coloured already
let colours = null;

const paint = (code, html) => {
  code.innerHTML = html;
};

const colour = (code, language) => {
  const text = code.textContent;
  const name = `${language}\n${text}`;
  if (kept.has(name)) return paint(code, kept.get(name));
  if (text.length > MOST_COLOURED) return undefined;
  colours ??= import("./highlight.js");
  return colours.then(({ highlight }) => {
    (globalThis.requestIdleCallback ?? setTimeout)(() => {
      const html = kept.get(name) ?? highlight(text, language);
      if (html === null) return;
      const clean = typeof html === "string" ? coloured(html) : html;
      if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
      kept.set(name, clean);
      if (code.isConnected && code.textContent === text) paint(code, clean);
    });
  }, () => {});
};

const copying = (pre) =>
  button("copy", WORDS.copy, async ({ currentTarget: pressed }) => {
    await globalThis.tallystick.copy(pre.textContent.replace(/\n$/, ""));
    pressed.textContent = WORDS.copied;
    setTimeout(() => (pressed.textContent = WORDS.copy), 1600);
  });

const dressCode = (pre) => {
  const code = pre.firstElementChild;
  const language = code?.tagName === "CODE" ? code.className.replace(/^language-/, "") : "";
  const figure = make("figure", "code", make("figcaption", "", make("span", "", language || WORDS.code), copying(pre)));
  pre.replaceWith(figure);
  pre.tabIndex = 0; // It may have to be scrolled by keyboard.
  figure.append(pre);
  if (language) colour(code, language);
};

// -- mathematics

const MOST_TEX = 5_000;
const formulas = new Map();
let katex = null;

const formula = (element) => {
  const tex = element.textContent;
  const display = element.tagName === "X-TEX-BLOCK";
  const name = `${display}${tex}`;
  if (!formulas.has(name)) {
    const holder = make("span", "");
    katex.typeset(tex, holder, display);
    if (formulas.size > 500) formulas.delete(formulas.keys().next().value);
    formulas.set(name, holder);
  }
  element.replaceChildren(...formulas.get(name).cloneNode(true).childNodes);
  element.setAttribute("data-done", "");
};

const typesetAll = (root) => {
  for (const element of root.querySelectorAll("x-tex:not([data-done]), x-tex-block:not([data-done])")) {
    if (element.textContent.length < MOST_TEX) formula(element);
  }
};

const dressMath = (root) => {
  if (!root.querySelector("x-tex, x-tex-block")) return;
  if (katex) typesetAll(root);
  else {
    import("./katex.js").then(async (module) => {
      await module.styled;
      katex = module;
      typesetAll(document);
    }, () => {}); // Without it the formulas stand there as they were written.
  }
};

// -- pictures: nothing is asked of anybody before the person clicks

const show = async (holder, address, alt) => {
  const picture = make("img", "");
  picture.alt = alt;
  try {
    const answer = await fetch(address, { credentials: "omit", referrerPolicy: "no-referrer", mode: "cors" });
    const data = await answer.blob();
    if (!answer.ok || !data.type.startsWith("image/")) throw new Error("no picture");
    picture.src = URL.createObjectURL(data);
    await picture.decode();
    holder.replaceChildren(picture);
  } catch {
    const link = make("a", "", address);
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    holder.replaceChildren(`${WORDS.failed} `, link);
  }
};

const dressPicture = (element) => {
  const alt = element.textContent;
  let url = null;
  try {
    url = new URL(element.title);
  } catch {
    // No address: its words are shown.
  }
  element.removeAttribute("title");
  const said = make("span", "", `${WORDS.picture}${alt ? `: ${alt}` : ""}`);
  element.replaceChildren(said);
  if (url?.protocol !== "https:" && url?.protocol !== "http:") return;
  const host = make("span", "host", url.host);
  element.append(host, button("show", WORDS.show, () => show(element, url.href, alt)));
};

const dressTable = (table) => {
  const frame = make("div", "table");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", WORDS.table);
  table.replaceWith(frame);
  frame.append(table);
};

const budgets = new WeakMap(); // by the element of an answer

/** Shows Markdown in an element. `answer` is the element that holds all blocks of the answer, placed already or not. */
export const fill = (element, markdown, answer) => {
  if (!budgets.has(answer)) budgets.set(answer, new Budget());
  const html = render(markdown, budgets.get(answer));
  element.classList.toggle("plain", html === null);
  if (html === null) {
    element.textContent = visible(markdown);
    return;
  }
  element.innerHTML = html;
  showTurns(element);
  element.querySelectorAll("pre").forEach(dressCode);
  element.querySelectorAll("table").forEach(dressTable);
  element.querySelectorAll("x-image").forEach(dressPicture);
  dressMath(element);
};
