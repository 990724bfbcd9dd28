// Markdown as models write it: GFM, and mathematics in $…$, $$…$$, \(…\) and \[…\]. Text in, HTML out, nothing sanitised yet.
import { Marked } from "marked";

const escapeHtml = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

const tex = (text, display) => `<x-tex${display ? "-block" : ""}>${escapeHtml(text.trim())}</x-tex${display ? "-block" : ""}>`;

const BLOCK = /^ {0,3}(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])[ \t]*\n?/;
const INLINE = [
  [/^\$\$([^]+?)\$\$/, true],
  [/^\\\[([^]+?)\\\]/, true],
  [/^\\\(([^]+?)\\\)/, false],
  // As Pandoc has it: no space inside the marks, no digit behind them; two prices in a sentence are none.
  [/^\$(?![\s$])((?:\\[^\n]|[^$\\\n])*?[^\s$\\]|(?:\\[^\n]))\$(?!\d)/, false],
];

const blockMath = {
  name: "blockMath",
  level: "block",
  start: (source) => {
    const at = source.search(/\n {0,3}(?:\$\$|\\\[)/); // marked asks for places inside: the line before is there
    return at < 0 ? undefined : at + 1;
  },
  tokenizer(source) {
    const match = BLOCK.exec(source);
    return match ? { type: "blockMath", raw: match[0], text: match[1] ?? match[2] } : undefined;
  },
  renderer: ({ text }) => `${tex(text, true)}\n`,
};

const inlineMath = {
  name: "inlineMath",
  level: "inline",
  start: (source) => source.match(/\$|\\[([]/)?.index,
  tokenizer(source) {
    for (const [rule, display] of INLINE) {
      const match = rule.exec(source);
      if (match) return { type: "inlineMath", raw: match[0], text: match[1], display };
    }
    return undefined;
  },
  renderer: ({ text, display }) => tex(text, display),
};

const marked = new Marked({
  gfm: true,
  extensions: [blockMath, inlineMath],
  // No link definitions: the end of a text must not change how its beginning looks (web/tallystick_web/markdown.py).
  tokenizer: { def: () => undefined },
  renderer: {
    code: ({ text, lang }) => {
      const language = /^[\w+#.-]{1,30}/.exec(lang ?? "")?.[0] ?? "";
      return `<pre><code${language ? ` class="language-${escapeHtml(language)}"` : ""}>${escapeHtml(text)}\n</code></pre>\n`;
    },
    image: ({ href, text }) => `<x-image title="${escapeHtml(href)}">${escapeHtml(text)}</x-image>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

/** HTML of a Markdown text. May throw where a text is nested too deep. */
export const parse = (markdown) => marked.parse(markdown, { async: false });
