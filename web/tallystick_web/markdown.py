"""Cuts streaming markdown into finished blocks, which never change again, and a tail.

A cut falls only where the whole and the two parts render alike: after a blank line, before a line that begins a
new top-level block, outside
fences and raw HTML. Link definitions are switched off in the renderer, since they would let the end of a text
change its beginning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
LIST_ITEM = re.compile(r"^ {0,3}([-+*]|\d{1,9}[.)])(\s|$)")
UNDERLINE = re.compile(r"^ {0,3}(=+|-+)\s*$")
MAYBE_ITEM = re.compile(r"^ {0,3}([-+*]|\d{1,9}[.)]?)(\s|$)")  # a line that may become one as it grows
BLOCK_TAGS = """address article aside base basefont blockquote body caption center col colgroup dd details dialog
dir div dl dt
    fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html iframe legend li
    link main menu
    menuitem nav noframes ol optgroup option p param search section summary table tbody td tfoot th thead title tr
    track ul"""
# Raw HTML (CommonMark 4.6, kinds 1 to 6): how it opens, how it ends. Inside, nothing else begins.
RAW_HTML = [
    (
        re.compile(r"^ {0,3}<(script|pre|style|textarea)(\s|>|$)", re.I),
        re.compile(r"</(script|pre|style|textarea)>", re.I),
    ),
    (re.compile(r"^ {0,3}<!--"), re.compile("-->")),
    (re.compile(r"^ {0,3}<\?"), re.compile(r"\?>")),
    (re.compile(r"^ {0,3}<!\[CDATA\["), re.compile(r"\]\]>")),
    (re.compile(r"^ {0,3}<![A-Za-z]"), re.compile(">")),
    (re.compile(rf"^ {{0,3}}</?({'|'.join(BLOCK_TAGS.split())})(\s|/?>|$)", re.I), re.compile(r"^\s*$")),
]

# Display mathematics may have blank lines too.
MATH = [
    (re.compile(r"^ {0,3}\$\$"), re.compile(r"\$\$")),
    (re.compile(r"^ {0,3}\\\["), re.compile(r"\\\]")),
]
OPENS_MATH = {closes for _, closes in MATH}


@dataclass(frozen=True)
class Block:
    """A piece of the text. `language` is set for a fence that is still open: its `text` is then the bare code."""

    text: str
    open_fence: bool = False
    language: str = ""


class Cutter:
    """Cuts one text that grows: what is finished is not looked at again."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._length = 0
        self._source = ""

    def blocks(self, source: str, *, finished: bool) -> list[Block]:
        """Like `blocks` of the whole text."""
        if not source.startswith(self._source[: self._length]):
            self._done, self._length = [], 0
        pieces = _cut(source[self._length :])
        if not pieces:
            return [Block(piece) for piece in self._done]
        tail = _tail(pieces[-1], finished=finished)
        result = [Block(piece) for piece in (*self._done, *pieces[:-1])] + tail
        self._done += pieces[:-1]
        self._length += sum(map(len, pieces[:-1]))
        self._source = source
        return result


def blocks(source: str, *, finished: bool) -> list[Block]:
    """The text in pieces, oldest first. All but the last are final; joined, the plain ones give the source again."""
    return Cutter().blocks(source, finished=finished)


def _tail(tail: str, *, finished: bool) -> list[Block]:
    """The last piece: an open fence stands apart from what is before it."""
    opened = None if finished else _open_fence(tail)
    if opened is None:
        return [Block(tail)]
    before, language, code = opened
    return [*([Block(before)] if before.strip() else []), Block(code, True, language)]


def _cut(source: str) -> list[str]:
    pieces: list[str] = []
    current: list[str] = []
    fence = ""
    raw: re.Pattern[str] | None = None
    blank = in_list = torn = False
    for line in source.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        # Other marks between those of mathematics: what is what depends on all around. No cut from there on.
        torn = torn or (raw in OPENS_MATH and _other_marks(bare))
        if not torn and not fence and not raw and blank and current and _begins_block(bare, in_list):
            pieces.append("".join(current))
            current, in_list = [], False
        current.append(line)
        raw = None if fence else _raw_after(raw, bare)
        fence = fence if raw else _fence_after(fence, bare)
        in_list = in_list or (not fence and bool(LIST_ITEM.match(bare)))
        blank = not bare.strip() and not fence
    return [*pieces, "".join(current)] if current else pieces


def _other_marks(line: str) -> bool:
    return bool(UNDERLINE.match(line) or FENCE.match(line) or _opened(RAW_HTML, line))


def _begins_block(line: str, in_list: bool) -> bool:
    if not line.strip() or line[0] in " \t":
        return False
    return not (in_list and MAYBE_ITEM.match(line))


def _raw_after(end: re.Pattern[str] | None, line: str) -> re.Pattern[str] | None:
    """What closes the raw HTML that is open after this line, or None."""
    if end is not None:
        return None if end.search(line) else end
    return _opened(RAW_HTML + MATH, line)


def _opened(kinds: list[tuple[re.Pattern[str], re.Pattern[str]]], line: str) -> re.Pattern[str] | None:
    for opens, closes in kinds:
        if match := opens.match(line):
            return None if closes.search(line, match.end()) else closes
    return None


def _fence_after(fence: str, line: str) -> str:
    """The marks of the fence that is open after this line, or nothing."""
    match = FENCE.match(line)
    if fence:
        closes = match and match[1].startswith(fence) and not match[2].strip()
        return "" if closes else fence
    if match and not (match[1][0] == "`" and "`" in match[2]):
        return match[1]
    return ""


def _open_fence(tail: str) -> tuple[str, str, str] | None:
    """(text before, language, code) where the tail ends inside a top-level fence."""
    fence, start, language, code_at = "", 0, "", 0
    position = 0
    for line in tail.splitlines(keepends=True):
        bare = line.rstrip("\r\n")
        after = _fence_after(fence, bare)
        if after and not fence:
            match = FENCE.match(bare)
            start, code_at = position, position + len(line)
            language = match[2].strip().split(" ")[0] if match else ""
        fence = after
        position += len(line)
    return (tail[:start], language, tail[code_at:]) if fence else None


def visible(text: str) -> str:
    """Signs that turn the direction of what follows, shown as what they are: text must not read other than it is."""
    return TURNS.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)
