"""The tally stick: one cut a payment, never too many to see."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.tree import find
from tallystick_web.views.tally import UNCUT, cuts, positions, tally
from tallystick_web.words import ENGLISH as T

from .states import OPEN


def test_ten_thin_cuts_become_one_deeper() -> None:
    assert cuts(0) == []
    assert cuts(3) == [0, 0, 0]
    assert cuts(12) == [1, 0, 0]
    assert cuts(1_203) == [3, 2, 2, 0, 0, 0]


@given(st.integers(0, 99_999))
def test_cuts_add_up(count: int) -> None:
    assert sum(10**size for size in cuts(count)) == count


@given(st.integers(0, 10**7))
def test_cuts_are_in_order_and_leave_the_uncut_end_free(count: int) -> None:
    places = positions(cuts(count))
    assert places == sorted(places)
    assert len(set(places)) == len(places) <= 45
    assert all(0 < place < UNCUT for place in places)


def test_both_halves_show_the_same_cuts_and_a_sentence() -> None:
    stick = tally(OPEN, T)
    assert len(find(stick, class_="cut")) == 3
    assert stick.attr("aria-label") == (
        "Tally: 12 payments kept by the provider, 0.003 ETH in all; 0.002 ETH more is owed and not yet signed for."
    )


def test_the_open_window_is_drawn_as_far_as_it_is_used() -> None:
    assert OPEN.chosen is not None
    half = replace(OPEN, chosen=replace(OPEN.chosen, window=4 * 10**15))
    assert {rect.attr("width") for rect in find(tally(half, T), class_="open")} == {"9.0%"}
    paid = replace(OPEN, deposit=replace(OPEN.deposit, owed=OPEN.deposit.durable))
    assert {rect.attr("width") for rect in find(tally(paid, T), class_="open")} == {"0.0%"}
