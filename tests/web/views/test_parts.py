"""Pieces that several views use."""

from __future__ import annotations

from tallystick_web.figures import Coin, money
from tallystick_web.state import Choice
from tallystick_web.tree import h, text_of
from tallystick_web.views.parts import (
    age,
    amount,
    button,
    cross,
    icon,
    provider_name,
    short_model,
    working,
)
from tallystick_web.words import ENGLISH as T


def test_a_button_names_what_it_does() -> None:
    made = button("Go", "go", "there", kind="primary")
    assert (made.attr("data-do"), made.attr("data-arg"), made.attr("class")) == ("go", "there", "button primary")
    assert button("Go", "go").attr("data-arg") is None


def test_icons_are_hidden_from_readers_and_crosses_have_a_name() -> None:
    assert icon("close").attr("aria-hidden") == "true"
    assert cross("dismiss", "Close").attr("aria-label") == "Close"


def test_waiting_is_announced() -> None:
    assert working("Waiting").attr("role") == "status"


def test_amounts_have_number_and_unit_apart() -> None:
    assert text_of(h("p", amount(money(10**18, Coin()), T))) == "1  ETH"


def test_ages_are_said_in_the_largest_unit_that_fits() -> None:
    ages = [age(1000 - seconds, 1000, T) for seconds in (-5, 19, 20, 59, 60, 3599, 3600, 86_399, 86_400)]
    assert ages == [
        "just now",
        "just now",
        "20 s ago",
        "59 s ago",
        "1 min ago",
        "59 min ago",
        "1 h ago",
        "23 h ago",
        "1 d ago",
    ]


def test_names_are_short() -> None:
    assert short_model(Choice(b"\x01" * 20, model="org/name")) == "name"
    assert provider_name(Choice(b"\x01" * 20, "wss://host.example:1/path")) == "host.example:1"
    assert provider_name(Choice(b"\x01" * 20)) == "0x01010101"
