"""Pieces that several views use."""

from __future__ import annotations

from tallystick_web.figures import Coin, money
from tallystick_web.state import Choice
from tallystick_web.tree import h, text_of
from tallystick_web.views.parts import (
    amount,
    button,
    cross,
    icon,
    price_per_thousand,
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
    assert text_of(h("p", amount(money(10**18, Coin())))) == "1  ETH"


def test_prices_are_said_per_thousand_and_never_too_low() -> None:
    assert price_per_thousand(0, Coin(), T) == "free"
    assert price_per_thousand(1, Coin(), T) == "1 wei"
    assert price_per_thousand(6 * 10**18, Coin(), T) == "0.006 ETH"


def test_names_are_short() -> None:
    assert short_model(Choice(b"\x01" * 20, model="org/name")) == "name"
    assert provider_name(Choice(b"\x01" * 20, "wss://host.example:1/path")) == "host.example:1"
    assert provider_name(Choice(b"\x01" * 20)) == "0x01010101"
