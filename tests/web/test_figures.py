"""Figures for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.figures import Coin, clock_time, money, parse_amount, plain, short_address, shorten, span
from tallystick_web.words import ENGLISH, Words, words_of

ETH = Coin()
ETHER = 10**18


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "0 ETH"),
        (ETHER, "1 ETH"),
        (9_399_912_300_000_000_000, "9.3999 ETH"),
        (12_345 * ETHER, "12,345 ETH"),
        (658_000 * 10**9, "0.000658 ETH"),
        (10**12, "0.000001 ETH"),
        (10**12 - 1, "999.9999 gwei"),
        (10**6, "0.001 gwei"),
        (999_999, "999,999 wei"),
        (1, "1 wei"),
    ],
)
def test_amounts_are_said_in_a_readable_unit(amount: int, said: str) -> None:
    assert ENGLISH.say(money(amount, ETH)) == said


def test_a_coin_with_other_decimals_has_no_gwei() -> None:
    assert ENGLISH.say(money(1, Coin("USDC", 6))) == "0.000001 USDC"


def test_figures_are_cut_never_rounded_up() -> None:
    assert shorten(9_999, 3, digits=2) == "9.99"
    assert shorten(999_999, 6, digits=3) == "0.999"


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0.6", 6 * 10**17), ("1", ETHER), (".5", 5 * 10**17), ("0,25", 25 * 10**16), (" 2 ", 2 * ETHER)],
)
def test_typed_amounts(text: str, amount: int) -> None:
    assert parse_amount(text, ETH) == amount


@pytest.mark.parametrize("text", ["", ".", "0", "-1", "1e3", "abc", "1.2.3", "٣", "0." + "0" * 18 + "1", "9" * 31])
def test_what_is_no_amount(text: str) -> None:
    assert parse_amount(text, ETH) is None


@given(st.integers(1, 10**30))
def test_the_exact_amount_survives_the_input_field(amount: int) -> None:
    assert parse_amount(plain(amount, 18), ETH) == amount


def test_addresses_are_cut_in_the_middle() -> None:
    assert short_address(bytes.fromhex("da21" + "00" * 16 + "beef")) == "0xda21…beef"


def test_times_are_the_persons_own() -> None:
    now = 1_763_856_000  # 2025-11-23 00:00 UTC
    assert clock_time(now + 840, now, ENGLISH) == "00:14"
    assert clock_time(now + 840, now, ENGLISH, 60) == "01:14"
    assert clock_time(now + 7 * 86_400, now, ENGLISH) == "30 Nov 00:00"
    assert clock_time(now + 60 * 86_400, now, ENGLISH) == "22 Jan 2026"


def test_a_language_writes_figures_and_times_in_its_own_way() -> None:
    german, now = words_of("de"), 1_763_856_000
    assert german.say(money(12_345 * ETHER + 6 * 10**17, ETH)) == "12.345,6 ETH"
    assert (german.say(1_234_567), german.decimal(1234.56, 1)) == ("1.234.567", "1.234,6")
    assert clock_time(now + 7 * 86_400, now, german) == "30. Nov., 00:00"
    assert clock_time(now + 60 * 86_400, now, german) == "22. Jan. 2026"


@given(st.integers(1, 10**30), st.sampled_from(["en", "de"]))
def test_what_an_input_field_holds_in_a_language_is_read_back(amount: int, language: str) -> None:
    assert parse_amount(words_of(language).typed(plain(amount, 18)), ETH) == amount


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "1 minute"), (900, "15 minutes"), (7_200, "2 hours"), (86_400, "24 hours"), (259_200, "3 days")],
)
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds, ENGLISH) == said


def test_a_length_of_time_is_said_in_the_pages_language() -> None:
    other = {"one": "{count} Tag", "many": "{count} Tage"}
    assert span(259_200, Words({"time": {"days": other}})) == "3 Tage"
