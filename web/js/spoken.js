// The shell's own words, in index.html: `data-t` names them in words/*.json, as pairs "attribute=name"; no attribute means text.

const pairs = (element) => element.dataset.t.split(" ").map((pair) => pair.split("="));

/** Every name that the document uses. */
export const names = () => [...document.querySelectorAll("[data-t]")].flatMap((element) => pairs(element).map(([, name]) => name));

/** Puts a language's words in place. `word(name)` gives each; what it does not know stays. */
export const fill = (word) => {
  for (const element of document.querySelectorAll("[data-t]")) {
    for (const [attribute, name] of pairs(element)) {
      const said = word(name);
      if (said === undefined) continue;
      if (attribute) element.setAttribute(attribute, said);
      else if (element.textContent !== said) element.textContent = said;
    }
  }
};

/** Says which language the document is in, and which way it reads. */
export const mark = (language) => {
  document.documentElement.lang = language;
  document.documentElement.dir = language.startsWith("ar") ? "rtl" : "ltr";
};
