// Renders each text of a JSON list whole and in its pieces; prints the indices at which the two differ.
import { readFileSync } from "node:fs";
import { parse as render } from "../../web/js/answer/syntax.js";

const wrong = [];
JSON.parse(readFileSync(0, "utf8")).forEach((pieces, index) => {
  if (render(pieces.join("")) !== pieces.map(render).join("")) wrong.push(index);
});
console.log(JSON.stringify(wrong));
