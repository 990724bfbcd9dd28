// Renders each text of a JSON list whole and in its pieces; prints the indices at which the two differ.
import { readFileSync } from "node:fs";
import { marked } from "marked";

marked.use({ tokenizer: { def: () => undefined } });
const render = (text) => marked.parse(text, { async: false, gfm: true });
const wrong = [];
JSON.parse(readFileSync(0, "utf8")).forEach((pieces, index) => {
  if (render(pieces.join("")) !== pieces.map(render).join("")) wrong.push(index);
});
console.log(JSON.stringify(wrong));
