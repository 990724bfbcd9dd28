"""The style sheets: from tokens, and for every direction of reading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "web" / "css"
SHEETS = sorted(CSS.glob("*.css"))
VALUE = re.compile(r"(?:[^\s()]|\([^()]*(?:\([^()]*\)[^()]*)*\))+")
PHYSICAL = re.compile(
    r"^\s*(?:(?:margin|padding|border|scroll-margin|scroll-padding)-(?:left|right|top|bottom)\b"
    r"|(?:left|right|top|bottom|width|height|(?:min|max)-(?:width|height))\s*:"
    r"|border-(?:top|bottom)-(?:left|right)-radius|(?:float|clear|text-align)\s*:\s*(?:left|right))"
)
COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch|lab)a?\(", re.IGNORECASE)
TURNED = re.compile(r"translate(?:X|3d)?\(")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Declarations with their line numbers; media conditions and comments are none."""
    text = re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), path.read_text("utf-8"), flags=re.DOTALL)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("@"):
            yield number, line


def lopsided(line: str) -> bool:
    """Four values of which left and right differ: the short form knows no direction."""
    found = re.match(r"\s*(?:padding|margin|inset|border-width): ([^;]+);", line)
    values = VALUE.findall(found[1]) if found else []
    return len(values) == 4 and values[1] != values[3]


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_nothing_is_left_or_right(path: Path) -> None:
    assert [(n, line.strip()) for n, line in lines(path) if PHYSICAL.match(line) or lopsided(line)] == []


def test_what_slides_sideways_is_turned_round_from_right_to_left() -> None:
    for path in SHEETS:
        for number, line in lines(path):
            if TURNED.search(line) and "translateY" not in line:
                rest = path.read_text("utf-8").splitlines()
                around = "\n".join(rest[max(0, number - 12) : number + 12])
                assert 'dir="rtl"' in around or ":dir(rtl)" in around, f"{path.name}:{number}"


@pytest.mark.parametrize("path", [path for path in SHEETS if path.name != "tokens.css"], ids=lambda path: path.stem)
def test_colours_stand_in_the_tokens_alone(path: Path) -> None:
    assert [(n, line.strip()) for n, line in lines(path) if COLOUR.search(line)] == []


def test_the_search_finds_what_it_looks_for() -> None:
    assert PHYSICAL.match("  margin-left: 1px;") and PHYSICAL.match("  text-align: right;")
    assert not PHYSICAL.match("  margin-inline-start: 1px;") and not PHYSICAL.match("  border-block-end: 1px;")
    assert lopsided("  padding: 1px 2px 3px calc(1px + (2px * 2));") and not lopsided("  margin: 1px 2px 3px 2px;")
