"""Languages: every one says everything, with the same values, and nothing that people read stands anywhere else."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tallystick_shared.errors import WORDS, Code
from tallystick_web import pseudo
from tallystick_web.state import Notice
from tallystick_web.tree import text_of
from tallystick_web.views.notices import notices
from tallystick_web.words import ENGLISH, LANGUAGES, Words, direction_of, words_of
from tests.web.views.states import OPEN

WEB = Path(__file__).resolve().parents[2] / "web"
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((WEB / "words").glob("*.json"))}
OTHERS = sorted(set(FILES) - {"en"})
CODES = {code.name.lower(): list(words) for code, words in WORDS.items()}
SAME = {"language.name"}
VALUE = re.compile(r"\{(\w+)\}")


def sentences(table: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every sentence by its dotted name; of a pair, both."""
    if isinstance(table, dict):
        for name, value in table.items():
            yield from sentences(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(table, list):
        for at, value in enumerate(table):
            yield from sentences(value, f"{prefix}.{at}")
    else:
        yield prefix, str(table)


ENGLISH_SENTENCES = dict(sentences({**FILES["en"], "codes": CODES}))


def test_every_file_can_be_chosen() -> None:
    assert set(LANGUAGES) == set(FILES)
    assert all(words.name for words in LANGUAGES.values())


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_is_missing_and_none_is_left_over(language: str) -> None:
    assert set(dict(sentences(FILES[language]))) == set(ENGLISH_SENTENCES)


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_has_the_same_values(language: str) -> None:
    theirs = dict(sentences(FILES[language]))
    differing = {
        name: (english, theirs[name])
        for name, english in ENGLISH_SENTENCES.items()
        if set(VALUE.findall(english)) != set(VALUE.findall(theirs[name]))
    }
    assert differing == {}


@pytest.mark.parametrize("language", OTHERS)
def test_sentences_end_as_the_english_ones_do(language: str) -> None:
    """A full sentence stays one, a label a label."""
    theirs = dict(sentences(FILES[language]))
    stops = (".", "?", "!")
    differing = {
        name: theirs[name]
        for name, english in ENGLISH_SENTENCES.items()
        if not name.startswith("format.") and english.endswith(stops) != theirs[name].endswith(stops)
        if name != "age.days"  # short for days
    }
    assert differing == {}


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.name.lower())
def test_every_error_is_said_in_every_language(code: Code, language: str) -> None:
    says, step = words_of(language).error(code.name.lower())
    assert (says, step) != WORDS[code]
    assert says[0].isupper() and says[-1] == step[-1] == "."


def test_a_language_that_is_not_spoken_is_english() -> None:
    assert words_of("fr") is ENGLISH


def test_a_notice_changes_with_the_language() -> None:
    notice = Notice("refused")
    said = [text_of(*notices(OPEN.__class__(notice=notice), words_of(language))) for language in ("en", "de")]
    assert "You said no" in said[0] and "Du hast abgelehnt" in said[1]


# -- languages for those who work on the page


def test_the_long_language_is_longer_and_keeps_the_values() -> None:
    long = words_of("en-XA")
    said = long("close.done", paid="1 ETH", refunded="2 ETH")
    assert "1 ETH" in said and "2 ETH" in said and said[0] + said[-1] == "[]"
    assert len(said) > 1.3 * len(ENGLISH("close.done", paid="1 ETH", refunded="2 ETH"))
    assert long.error("busy")[0] != ENGLISH.error("busy")[0]
    assert long.error("tampered")[0] != ENGLISH.error("tampered")[0]


def test_the_language_from_right_to_left_says_the_same() -> None:
    assert (direction_of("ar-XB"), direction_of("de"), direction_of("en-XA")) == ("rtl", "ltr", "ltr")
    assert words_of("ar-XB")("do.send") == ENGLISH("do.send")


@pytest.mark.parametrize("sentence", ["", "a", "{count}", "Put in {amount}", "x" * 300])
def test_a_longer_sentence_has_the_same_values(sentence: str) -> None:
    assert VALUE.findall(pseudo.long(sentence)) == VALUE.findall(sentence)
    assert len(pseudo.long(sentence)) >= len(sentence)


# -- no words outside of words


class Shell(HTMLParser):
    """What index.html shows before Python runs: (what people read, the name it is given by `data-t`)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._open: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        given = self.given(has)
        for name in ("aria-label", "title", "placeholder", "data-light", "data-dark", "data-waiting", "alt"):
            if name in has:
                self.found.append((has[name], given.get(name, "")))
        if tag not in ("meta", "link", "path", "circle", "rect", "input", "img"):
            self._open.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if re.search(r"[A-Za-z]{2}", data) and self._open[-1][0] not in ("script", "style", "title"):
            self.found.append((data.strip(), self._open[-1][1].get("", "")))

    @staticmethod
    def given(has: dict[str, str]) -> dict[str, str]:
        pairs = (pair.partition("=") for pair in has.get("data-t", "").split())
        return {attribute: name for attribute, _, name in pairs}


def test_all_that_the_shell_says_is_in_the_words() -> None:
    shell = Shell()
    shell.feed((WEB / "index.html").read_text("utf-8"))
    assert len(shell.found) > 25
    assert {said for said, name in shell.found if not name} == {"Tallystick"}
    for said, name in shell.found:
        if name:
            assert ENGLISH(name) == said


READ = re.compile(r"[A-Za-z]{2,}")
SPOKEN_ATTRIBUTES = ("aria_label", "title", "placeholder", "alt")


def literals(node: ast.expr) -> Iterator[str]:
    """The constant text in an expression that becomes text on the page."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield from (text for value in node.values if isinstance(value, ast.Constant) for text in literals(value))
    elif isinstance(node, ast.IfExp):
        yield from (*literals(node.body), *literals(node.orelse))
    elif isinstance(node, ast.BinOp):
        yield from (*literals(node.left), *literals(node.right))
    elif isinstance(node, ast.List | ast.Tuple):
        yield from (text for entry in node.elts for text in literals(entry))


def said_in(source: str) -> Iterator[str]:
    """What a module puts on the page without asking the words: children and read attributes of elements."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in ("h", "svg"):
            spoken = [*call.args[1:], *(word.value for word in call.keywords if word.arg in SPOKEN_ATTRIBUTES)]
        elif name in ("button", "cross", "working", "tool", "item", "menu"):
            spoken = call.args[1:2] if name in ("cross", "tool") else call.args[:1]
        else:
            continue
        yield from (text for part in spoken for text in literals(part) if READ.search(text))


@pytest.mark.parametrize("path", sorted((WEB / "tallystick_web").rglob("*.py")), ids=lambda path: path.stem)
def test_no_words_that_people_read_stand_in_python(path: Path) -> None:
    assert list(said_in(path.read_text("utf-8"))) == []


def test_the_search_for_words_in_python_finds_them() -> None:
    source = 'h("p", "Hello")\nh("a", t("x"), title=f"{n} notches")\nbutton("Go", "go")\nh("p", " · ", class_="ok")'
    assert list(said_in(source)) == ["Hello", " notches", "Go"]


@pytest.mark.parametrize("path", sorted((WEB / "js").rglob("*.js")), ids=lambda path: path.stem)
def test_no_words_that_people_read_stand_in_javascript(path: Path) -> None:
    """The table in answer/dress.js is filled by Python before anything is shown; it is what tests of that file see."""
    source = re.sub(r"const WORDS = \{.*\};", "", path.read_text("utf-8"))
    spoken, text = "title|placeholder|alt", r'["`][^"`]*[A-Za-z]{2}[^"`]*["`]'
    assert re.findall(rf"(?:textContent|ariaLabel|{spoken}) = ({text})", source) == []
    assert re.findall(rf'setAttribute\("(?:aria-label|{spoken})", ({text})', source) == []


def test_figures_are_written_by_the_language() -> None:
    """`str(money(...))` or an f-string's `:,` would write them in one language for all."""
    for path in [*(WEB / "tallystick_web" / "views").glob("*.py"), *(WEB / "tallystick_web" / "flows").glob("*.py")]:
        source = path.read_text("utf-8")
        assert not re.search(r"str\(money\(|:,\}|:\.\df\}|strftime", source), path.name


def test_words_of_a_table_without_forms_are_written_plainly() -> None:
    assert Words({"n": "{count}", "errors": {}})("n", count=1234) == "1,234"
