"""The dialogs around the chats."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_web.chats.desk import Preset
from tallystick_web.chats.model import Card, Chats
from tallystick_web.state import Sheet
from tallystick_web.tree import find, h, text_of
from tallystick_web.views.desk import KEYS, SHEETS
from tallystick_web.views.sheets import sheet
from tallystick_web.words import ENGLISH as T

from .states import START, TALKING


@pytest.mark.parametrize("which", list(SHEETS))
def test_each_has_a_title_and_can_be_closed(which: Sheet) -> None:
    shown = h("div", sheet(replace(TALKING, sheet=which), T))
    assert text_of(find(shown, id="sheet-title")[0])
    assert find(shown, data_do="close-sheet")


def test_the_palettes_chosen_line_is_told_to_a_screen_reader() -> None:
    state = replace(START, chats=Chats(cards=(Card("c", "Kyoto"),)), desk=replace(START.desk, palette="kyo", place=5))
    shown = h("div", sheet(replace(state, sheet=Sheet.PALETTE), T))
    (field,) = find(shown, id="palette")
    (line,) = find(shown, aria_selected="true")
    assert field.attr("aria-activedescendant") == line.attr("id") and text_of(line) == "Kyoto"


def test_presets_can_be_used_and_deleted() -> None:
    state = replace(START, sheet=Sheet.SETUP, desk=replace(START.desk, presets=(Preset("Brief", "x"),)))
    shown = h("div", sheet(state, T))
    assert find(shown, data_do="use-preset")[0].attr("data-arg") == "Brief"
    assert find(shown, data_do="drop-preset")


def test_every_shortcut_has_words() -> None:
    said = text_of(h("div", sheet(replace(START, sheet=Sheet.KEYS), T)))
    for name, _ in KEYS:
        assert T(f"keys.{name}") in said
