"""Around the question box."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.chats.model import Attached
from tallystick_web.state import State
from tallystick_web.tree import find, h, text_of
from tallystick_web.views.under import cost, files, tools
from tallystick_web.words import ENGLISH as T

from .states import CHOSEN, START, TALKING


def drafting(state: State, **desk: object) -> State:
    return replace(state, desk=replace(state.desk, **desk))  # type: ignore[arg-type]


def test_before_sending_it_says_about_what_it_will_cost_and_at_most() -> None:
    said = text_of(h("div", cost(drafting(CHOSEN, draft="why?"), T)))
    assert said.startswith("≈ ") and "at most" in said and "ETH" in said


def test_with_nothing_typed_it_says_what_the_chat_cost_so_far() -> None:
    assert text_of(h("div", cost(TALKING, T))) == "This chat: 0.000001 ETH"
    assert "Enter sends" in text_of(h("div", cost(START, T)))


def test_files_can_be_left_out_again() -> None:
    (chip,) = files(drafting(START, files=(Attached("a.txt", "text"),)), T)
    assert "a.txt" in text_of(chip)
    assert find(chip, data_do="detach")[0].attr("data-arg") == "0"


def test_pictures_are_grey_with_the_reason() -> None:
    opened = h("div", tools(drafting(CHOSEN, menu="attach"), T))
    text, picture = find(opened, role="menuitem")
    assert text.attr("data-do") == "pick-files" and picture.attr("aria-disabled") == "true"
    assert "Model-1B reads text only" in text_of(picture)
