"""Words: every code has its sentence and next step, and every name that the page uses is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tallystick_shared.errors import WORDS, Code
from tallystick_web.views.notices import LABELS, NEXT, TOLD
from tallystick_web.words import ENGLISH, Words, words_of

WEB = Path(__file__).resolve().parents[2] / "web"
TABLE = json.loads((WEB / "words" / "en.json").read_text("utf-8"))
VALUES = {"minimum": "1 ETH", "chain": "Testnet"}
SOURCES = list((WEB / "tallystick_web").rglob("*.py"))


def leaves(table: dict[str, object], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{prefix}{name}.")
        elif isinstance(value, str):
            found[prefix + name] = value
    return found


@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.name.lower())
def test_every_code_has_one_sentence_and_a_next_step(code: Code) -> None:
    says, step = ENGLISH.error(code.name.lower(), **VALUES)
    for sentence in (says, step):
        assert sentence[0].isupper() and sentence[-1] == "."
        assert "{" not in sentence


def test_the_pages_own_sentences_are_for_real_codes() -> None:
    assert set(TABLE["errors"]) <= {code.name.lower() for code in WORDS}


def test_a_sentence_without_its_values_falls_back_to_the_common_one() -> None:
    assert ENGLISH.error("deposit_too_small") == WORDS[Code.DEPOSIT_TOO_SMALL]


def test_every_name_that_the_page_uses_is_in_the_table() -> None:
    used = {name for path in SOURCES for name in re.findall(r'\bt\("([a-z_]+\.[a-z_.]+)"', path.read_text("utf-8"))}
    plural = {name for path in SOURCES for name in re.findall(r'plural\(\s*"([a-z_.]+)"', path.read_text("utf-8"))}
    known = leaves(TABLE)
    assert {name for name in used if name not in known} == set()
    assert {f"{name}.{form}" for name in plural for form in ("one", "many")} <= set(known)


def test_every_next_step_has_a_label_and_belongs_to_a_code() -> None:
    assert {do for steps in [*NEXT.values(), *TOLD.values()] for do in steps} == set(LABELS)
    assert set(TOLD) == set(TABLE["told"])
    assert set(NEXT) <= {code.name.lower() for code in Code}
    for label in LABELS.values():
        ENGLISH(label, chain="Testnet", other="Othernet")


def test_the_shell_says_the_same_as_the_views() -> None:
    """What stands in index.html until Python runs is what Python then shows."""
    shell = (WEB / "index.html").read_text("utf-8")
    for name in (
        "title",
        "lead",
        "connect_title",
        "connect_more",
        "choose_title",
        "choose_more",
        "deposit_title",
        "deposit_more",
    ):
        assert ENGLISH(f"welcome.{name}") in shell
    assert ENGLISH("app.starting") in shell


def test_the_consoles_document_says_the_same_as_its_words() -> None:
    shell = (WEB / "console.html").read_text("utf-8")
    told = re.findall(r'<[^>]*data-t="([a-z-]*)=([a-z.]+)"[^>]*>([^<]*)', shell)
    assert [name for _, name, _ in told] == ["console.skip", "console.theme", "console.tabs"]
    for attribute, name, text in told:
        assert f'{attribute}="{ENGLISH(name)}"' in shell if attribute else text == ENGLISH(name)


def test_a_typed_amount_is_read_as_it_is_written() -> None:
    german = words_of("de")
    assert german.typed("0.00002") == "0,00002" and german.read("0,00002") == "0.00002"
    assert german.read("0.00002") == ENGLISH.read("0.00002") == "0.00002"


def test_a_missing_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        ENGLISH("no.such.name")


def test_plurals() -> None:
    words = Words({"n": {"one": "{count} notch", "many": "{count} notches"}, "errors": {}})
    assert [words.plural("n", count) for count in (0, 1, 2000)] == ["0 notches", "1 notch", "2,000 notches"]
