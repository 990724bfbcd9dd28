// Texts made to keep a renderer busy are shown as they are: by their marks, before anything is parsed, and by the time that an answer took.

// Nobody writes forty marks of quotes or lists in a row.
const DEEP = /^(?:[ \t]*[>*+-]){40}/m;
const MOST_EMPHASIS = 2_000;
const MOST_MATH = 600;
// Marks that marked looks at one by one, each time with all that follows: the work is their number times the length.
const MARKS = /[!<~@&*_[`]/g;
const SHORT = 2_000; // letters that are parsed whatever is in them
const MOST_WORK = 20_000_000;
// At each letter of a word an address of mail may begin: the work is the square of its length. A word of 2,800 letters is let through.
const WORDS = /[\w.!#$%&'*+/=?^`{|}~-]+/g;
const MOST_WORDS = 8_000_000;
const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/;

const count = (text, rule) => text.match(rule)?.length ?? 0;

/** The text without its code blocks, which no rule of marks looks into; one that does not end has all that follows. */
const withoutCode = (text) => {
  const lines = [];
  let fence = "";
  for (const line of text.split("\n")) {
    if (fence) {
      const bare = line.trim();
      if (bare.startsWith(fence) && !bare.replaceAll(fence[0], "")) fence = "";
    } else {
      fence = FENCE.exec(line)?.[1] ?? "";
      if (!fence) lines.push(line);
    }
  }
  return lines.join("\n");
};

/** Whether parsing a block would take long for what it says. Takes time in proportion to its length. */
export const busy = (block) => {
  if (block.length < 300) return DEEP.test(block);
  const text = withoutCode(block);
  if (DEEP.test(text) || count(text, /[*_]/g) > MOST_EMPHASIS || count(text, /\\[[(]|\$/g) > MOST_MATH) return true;
  if (text.length > SHORT && count(text, MARKS) * text.length > MOST_WORK) return true;
  return [...text.matchAll(WORDS)].reduce((sum, [word]) => sum + word.length ** 2, 0) > MOST_WORDS;
};

// What any text may take, milliseconds; what is beyond is counted. Prose takes a tenth of it on a desktop computer.
const FREE = 10;
const FREE_EACH = 4 / 1_000; // for each letter
const MOST_BEYOND = 1_000;

/** How long the answer shown in one element took; once that is too long, what of it is not shown yet stays plain. */
export class Budget {
  #beyond = 0;

  get spent() {
    return this.#beyond > MOST_BEYOND;
  }

  /** `length` letters took `milliseconds`. */
  took(milliseconds, length) {
    this.#beyond += Math.max(0, milliseconds - FREE - length * FREE_EACH);
  }
}
