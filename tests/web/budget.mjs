// Says of each text of a JSON list whether it is kept from the renderer; and what a budget makes of [milliseconds, letters].
import { readFileSync } from "node:fs";
import { Budget, busy } from "../../web/js/answer/budget.js";

const { texts, times } = JSON.parse(readFileSync(0, "utf8"));
const budget = new Budget();
const spent = times.map(([milliseconds, length]) => {
  budget.took(milliseconds, length);
  return budget.spent;
});
console.log(JSON.stringify({ busy: texts.map(busy), spent }));
