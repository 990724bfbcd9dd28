// An answer comes from a stranger's machine: nothing in it may make a request, take on the page's looks or pose as its controls.
import DOMPurify from "dompurify";
import { parse } from "./syntax.js";

const TEXT = "a abbr b br code del dfn em i ins kbd mark q s samp small strike strong sub sup u var wbr";
const BLOCKS = "blockquote dd details div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre span summary ul";
const TABLES = "caption table tbody td tfoot th thead tr";
const OURS = "x-image x-tex x-tex-block"; // answer/syntax.js; answer/dress.js makes something of them

const CLEAN = {
  RETURN_TRUSTED_TYPE: true,
  ALLOWED_TAGS: `${TEXT} ${BLOCKS} ${TABLES} ${OURS}`.split(" "),
  ALLOWED_ATTR: "href title align colspan rowspan start open class".split(" "),
  ALLOW_DATA_ATTR: false, // data-do is how the page's own buttons say what they do
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
};
const COLOURS = { RETURN_TRUSTED_TYPE: true, ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"] };
const LANGUAGE = /^language-[\w+#.-]{1,30}$/;

const hostOf = (address) => {
  try {
    const url = new URL(address);
    return url.protocol === "mailto:" ? url.pathname : url.host;
  } catch {
    return "";
  }
};

if (DOMPurify.isSupported) {
  DOMPurify.addHook("uponSanitizeAttribute", (node, data) => {
    if (data.attrName !== "class") return;
    if (colouring ? !/^hljs-[\w -]+$/.test(data.attrValue) : node.tagName !== "CODE" || !LANGUAGE.test(data.attrValue)) data.keepAttr = false;
  });
  DOMPurify.addHook("afterSanitizeAttributes", (node) => {
    if (node.tagName !== "A" || !node.hasAttribute("href")) return;
    const host = hostOf(node.getAttribute("href"));
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
    // Where the words do not say where the link goes, the page does.
    if (host && node.textContent.trim() !== node.getAttribute("href") && node.textContent.trim() !== host) node.setAttribute("data-host", host);
  });
}

let colouring = false;

/** TrustedHTML of what highlight.js made: spans with its classes and nothing else. */
export const coloured = (html) => {
  colouring = true;
  try {
    return DOMPurify.sanitize(html, COLOURS);
  } finally {
    colouring = false;
  }
};

// Texts made to keep a renderer busy: nobody writes forty marks of quotes or lists in a row, or thousands of brackets in a block.
const DEEP = /^(?:[ \t]*[>*+-]){40}/m;
const MOST_MARKS = 4_000;
const MOST_MATH = 600;
const count = (text, rule) => text.match(rule)?.length ?? 0;
const busy = (text) => DEEP.test(text) || count(text, /[[*_]/g) > MOST_MARKS || count(text, /\\[[(]|\$/g) > MOST_MATH;

/** Markdown of a model's answer as sanitised TrustedHTML, ready for innerHTML; null where it cannot be rendered. */
export const render = (markdown) => {
  try {
    return busy(markdown) ? null : DOMPurify.sanitize(parse(markdown), CLEAN);
  } catch {
    return null; // Nested a thousand deep; its text is shown then.
  }
};
