// An answer comes from a stranger's machine: nothing in it may make a request, take on the page's looks or pose as its controls.
import DOMPurify from "dompurify";
import { Budget, busy } from "./budget.js";
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

/** The host (for mail: the address) of a link, where its words do not say it themselves; else nothing. */
const unsaid = (address, words) => {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    return "";
  }
  if (url.protocol === "mailto:") return words === url.pathname || words === address ? "" : url.pathname;
  // What stands before an @ reads like a host and is none.
  const plain = !url.username && !url.password;
  const said = [url.host, address, url.origin + url.pathname].includes(words);
  return plain && said ? "" : url.host;
};

if (DOMPurify.isSupported) {
  DOMPurify.addHook("uponSanitizeAttribute", (node, data) => {
    if (data.attrName !== "class") return;
    if (colouring ? !/^hljs-[\w -]+$/.test(data.attrValue) : node.tagName !== "CODE" || !LANGUAGE.test(data.attrValue)) data.keepAttr = false;
  });
  DOMPurify.addHook("afterSanitizeAttributes", (node) => {
    if (node.tagName !== "A" || !node.hasAttribute("href")) return;
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
    const host = unsaid(node.getAttribute("href"), node.textContent.trim());
    if (host) node.setAttribute("data-host", host);
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

/** Markdown of a model's answer as sanitised TrustedHTML, ready for innerHTML; null where it cannot or must not be rendered. */
export const render = (markdown, budget = new Budget()) => {
  if (budget.spent || busy(markdown)) return null;
  const started = performance.now();
  try {
    return DOMPurify.sanitize(parse(markdown), CLEAN);
  } catch {
    return null; // Nested a thousand deep; its text is shown then.
  } finally {
    budget.took(performance.now() - started, markdown.length);
  }
};
