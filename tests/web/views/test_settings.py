"""The settings of the whole page."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.tree import text_of
from tallystick_web.views.settings import settings
from tallystick_web.words import words_of
from tests.web.views.states import START


def said(language: str) -> str:
    title, body, foot = settings(replace(START, language=language), words_of(language))
    return " ".join([title, *map(text_of, (*body, *foot))])


def test_each_language_stands_under_its_own_name() -> None:
    assert all(name in said(language) for name in ("English", "Deutsch") for language in ("en", "de"))


def test_a_language_that_is_in_no_list_is_shown_while_it_is_spoken() -> None:
    assert "en-XA" in said("en-XA") and "en-XA" not in said("en")
