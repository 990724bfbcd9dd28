// Mathematics, loaded with the first formula. KaTeX sets its sizes through the CSSOM, which the page's policy allows.
import katex from "katex";
import sheet from "../../css/math.css?place";

/** Resolves when the style sheet is there, or cannot be had. */
export const styled = new Promise((done) => {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(sheet, import.meta.url).href;
  link.addEventListener("load", done);
  link.addEventListener("error", done);
  document.head.append(link);
});

/** Puts a formula into an element; what is no formula is shown as it was written. */
export const typeset = (tex, element, display) => {
  try {
    katex.render(tex, element, { displayMode: display, throwOnError: true, trust: false, strict: "ignore", maxExpand: 300, maxSize: 30 });
  } catch {
    element.textContent = tex;
  }
};
